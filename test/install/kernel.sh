#!/usr/bin/env bash
# Brings the emulator and the stock kernels of Debian's suites: `kernel.sh CACHE SUITE...`; SUITE-arm64 is
# that of the other architecture. Each kernel is kept in CACHE/SUITE:
# vmlinuz, release, and the few modules that a guest loads. They are fetched by an apt of their own, from the mirror that the
# system's sources name; nothing of them is installed here.
set -euo pipefail
cache=$1
shift
[[ " $* " != *-arm64\ * ]] || arm=qemu-system-arm

packages=(qemu-system-x86 cpio xz-utils ${arm-})
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" >/dev/null
fi

# What weft asks of the kernel by netlink; where they are no modules they are built in.
modules=(inet_diag tcp_diag unix_diag)

fetch() {
  local suite=$1 arch=amd64 mirror apt=$cache/apt-$1 new=$cache/$1.new image release
  [[ $suite != *-arm64 ]] || arch=arm64
  mirror=$(apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | tail -n 1)
  rm -rf "$apt" "$new"
  mkdir -p "$apt"/{lists,cache/archives,state} "$new/deb"
  : >"$apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror ${suite%-arm64} main" >"$apt/sources"
  cat >"$apt/conf" <<CONF
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Dir::Cache "$apt/cache";
Dir::State "$apt/state";
Dir::State::Lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Etc::SourceList "$apt/sources";
Dir::Etc::SourceParts "-";
CONF
  export APT_CONFIG=$apt/conf
  apt-get -qq update
  image=$(apt-cache depends linux-image-cloud-$arch | awk '/Depends: linux-image/ {print $2}')
  # Of late the image is in packages of its own: linux-binary and linux-modules.
  (cd "$new/deb" && apt-get -qq download "$image" \
    $(apt-cache depends "$image" | awk '/Depends: linux-(binary|modules)-[0-9]/ {print $2}'))
  unset APT_CONFIG
  for deb in "$new"/deb/*.deb; do dpkg -x "$deb" "$new/root"; done
  release=$(basename "$(find "$new/root" -path '*/lib/modules/*' -maxdepth 5 -type d -name '[0-9]*' | head -n 1)")
  cp "$(find "$new/root" -name "vmlinuz*" -type f | head -n 1)" "$new/vmlinuz"
  mkdir "$new/modules"
  for module in "${modules[@]}"; do
    find "$new/root" \( -name "$module.ko" -o -name "$module.ko.xz" \) -exec cp {} "$new/modules/" \;
  done
  find "$new/modules" -name '*.xz' -exec xz -d {} +
  rm -rf "$new/root" "$new/deb" "$apt"
  echo "$release" >"$new/release"
  rm -rf "${cache:?}/$suite"
  mv "$new" "$cache/$suite"
}

mkdir -p "$cache"
for suite; do
  [ -e "$cache/$suite/release" ] || fetch "$suite"
done
