#!/usr/bin/env bash
# Installs and builds what test/accuracy runs beyond the fleet's Debian packages into the cache: `accuracy.sh CACHE`.
set -euo pipefail
cache=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
bash "$root/test/install/packages.sh"

missing=()
for package in python3-httpx python3-aiohttp python3-uvloop python3-httptools; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}"
fi

mkdir -p "$cache/bin"
(cd "$root" && go build -o "$cache/bin/service" ./test/accuracy/service)

# The Rust service is built anew when its sources have changed.
source=$root/test/accuracy/app/rust
sum=$(cd "$source" && find . -type f | sort | xargs sha256sum | sha256sum | cut -c1-16)
[ "$(cat "$cache/accuracy-rust.sum" 2>/dev/null)" = "$sum" ] && exit 0
rm -rf "$cache/accuracy-rust" "$cache/accuracy-rust.sum"
cp -r "$source" "$cache/accuracy-rust"
(cd "$cache/accuracy-rust" && cargo build --quiet --release)
echo "$sum" >"$cache/accuracy-rust.sum"
