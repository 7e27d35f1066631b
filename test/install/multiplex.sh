#!/usr/bin/env bash
# Puts grpcio and grpc-js with the peers of test/multiplex into the cache: `multiplex.sh CACHE`. Each is keyed by the sum of its
# sources, so that a second run only compares sums.
set -euo pipefail
cache=$1
self=$(realpath "$0")
app=$(cd "$(dirname "$0")/../multiplex/app" && pwd)
mkdir -p "$cache"

# part NAME: builds the folder NAME by build_NAME in a fresh copy unless the cache has its sum already.
part() {
  local name=$1 to=$cache/multiplex-$1 sum
  sum=$(cd "$app/$name" && find . -type f | sort | xargs sha256sum | cat - "$self" | sha256sum | cut -c1-16)
  [ "$(cat "$to.sum" 2>/dev/null)" = "$sum" ] && return
  rm -rf "$to" "$to.sum"
  cp -r "$app/$name" "$to"
  (cd "$to" && "build_$name")
  echo "$sum" >"$to.sum"
}

build_node() { npm install --silent --no-audit --no-fund --no-package-lock; }

build_python() {
  dpkg-query -W -f '${db:Status-Status}' python3-venv 2>/dev/null | grep -qx installed || {
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=300 python3-venv
  }
  /usr/bin/python3 -m venv venv
  venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
}

part node
part python
