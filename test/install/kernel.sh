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

# What weft asks of the kernel by netlink, and kernel TLS with AES-GCM; where they are no modules they are built in.
modules=(inet_diag tcp_diag unix_diag tls gcm ctr ghash-generic)

# Copies a module and those that it needs, by what it says of them. Files have - or _ in their names where modules have either.
take() {
  local new=$2 file need
  file=$(find "$new/root" -name "${1//[-_]/[-_]}.ko" -o -name "${1//[-_]/[-_]}.ko.xz" | head -n 1)
  [ -n "$file" ] && [ ! -e "$new/modules/$(basename "${file%.xz}")" ] || return 0
  cp "$file" "$new/modules/"
  [[ $file != *.xz ]] || xz -d "$new/modules/$(basename "$file")"
  for need in $(grep -aoP '\0depends=\K[^\0]*' "$new/modules/$(basename "${file%.xz}")" | tr -d '\0' | tr , ' '); do
    take "$need" "$new"
  done
}

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
    take "$module" "$new"
  done
  rm -rf "$new/root" "$new/deb" "$apt"
  echo "$release" >"$new/release"
  echo "${modules[*]}" >"$new/wanted"
  rm -rf "${cache:?}/$suite"
  mv "$new" "$cache/$suite"
}

mkdir -p "$cache"
for suite; do
  [ "$(cat "$cache/$suite/wanted" 2>/dev/null)" = "${modules[*]}" ] || fetch "$suite"
done
