#!/usr/bin/env bash
# Builds what the fleet needs beyond Debian's packages into the cache: `fleet.sh CACHE`. Each part is keyed by
# the sum of its sources, so that a second run only compares sums.
set -euo pipefail
cache=$1
app=$(cd "$(dirname "$0")/../fleet/app" && pwd)
mkdir -p "$cache"

# part NAME SOURCE: builds SOURCE by build_NAME in a fresh folder unless the cache has its sum already.
part() {
  local name=$1 source=$2 sum
  sum=$(cd "$source" && find . -type f | sort | xargs sha256sum | sha256sum | cut -c1-16)
  [ "$(cat "$cache/$name.sum" 2>/dev/null)" = "$sum" ] && return
  rm -rf "$cache/$name" "$cache/$name.sum"
  cp -r "$source" "$cache/$name"
  (cd "$cache/$name" && "build_$name")
  echo "$sum" >"$cache/$name.sum"
}

build_node() { npm install --silent --no-audit --no-fund --no-package-lock; }
build_java() { mvn -q -B package; }
build_rust() { cargo build --quiet --release; }

part node "$app/node"
part java "$app/java"
part rust "$app/rust"
