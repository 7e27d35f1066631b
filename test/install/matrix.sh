#!/usr/bin/env bash
# Builds the programs of test/multiplex/matrix into the cache: `matrix.sh CACHE PART...`. Each part is keyed by the sum of its sources,
# so that a second run only compares sums. `servers` are Debian's packages.
set -euo pipefail
cache=$1
shift
app=$(cd "$(dirname "$0")/../multiplex/matrix/app" && pwd)
. "$(dirname "$0")/part.sh"

build_go() { go build -o peer .; }

build_rust() {
  debian cargo cargo-web gcc libc6-dev
  cargo build --quiet --release
}

build_java() {
  debian mvn maven
  debian javac openjdk-17-jdk-headless
  mvn -q -B package
}

for name; do
  if [ "$name" = pycurl ]; then
    debian /usr/share/doc/python3-pycurl python3-pycurl # the curl that speaks TLS by GnuTLS
  else
    part matrix- "$name" "$app/$name"
  fi
done
