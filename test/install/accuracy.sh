#!/usr/bin/env bash
# Installs and builds what test/accuracy runs beyond the fleet's Debian packages into the cache: `accuracy.sh CACHE`. Each part is
# keyed by the sum of its sources, so that a second run only compares sums.
set -euo pipefail
cache=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
bash "$root/test/install/packages.sh" \
  python3-httpx python3-aiohttp python3-uvloop python3-httptools python3-hypercorn python3-gevent python3-eventlet python3-venv \
  libapache2-mod-php8.2 golang-1.19-go postgresql redis-server redis-tools

. "$(dirname "$0")/part.sh"

# With today's Go, the same without symbols, and with the oldest that the distribution has.
build_go() {
  go build -o service .
  go build -trimpath -ldflags "-s -w" -o service-stripped .
  GOTOOLCHAIN=local /usr/lib/go-1.19/bin/go build -ldflags "-s -w" -o service-old .
}

build_fasthttp() { go build -o service .; }

build_rust() { cargo build --quiet --release; }

build_java() { mvn -q -B package; }

# The distribution's Java has no virtual threads; newer ones come in a Python package.
build_jdk() {
  /usr/bin/python3 -m venv venv
  venv/bin/pip install --quiet --disable-pip-version-check --no-deps --target . -r requirements.txt
}

build_jdk21() {
  build_jdk
}

app=$root/test/accuracy/app
for name in go fasthttp rust java jdk jdk21 node; do
  part accuracy- $name "$app/$name"
done
