#!/usr/bin/env bash
# Builds the services of test/conformance and their SDKs into the cache: `conformance.sh CACHE NAME...`. Each is keyed by the sum
# of its sources, so that a second run only compares sums. Those in Go need nothing but Go; the others Debian's packages.
set -euo pipefail
cache=$1
shift
app=$(cd "$(dirname "$0")/../conformance/service" && pwd)
. "$(dirname "$0")/part.sh"

build_otelgo() { go build -o service .; }

build_datadog() { go build -o service .; }

build_java() {
  debian mvn maven
  debian javac openjdk-17-jdk-headless
  mvn -q -B compile
}

for name in "$@"; do
  part conformance- "$name" "$app/$name"
done
