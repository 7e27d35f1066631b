#!/usr/bin/env bash
# Builds the services of test/conformance and their SDKs into the cache: `conformance.sh CACHE NAME...`. Each is keyed by the sum
# of its sources, so that a second run only compares sums. Those in Go need nothing but Go; the others Debian's packages.
set -euo pipefail
cache=$1
shift
self=$(realpath "$0")
app=$(cd "$(dirname "$0")/../conformance/service" && pwd)
mkdir -p "$cache"

# service NAME: builds the folder NAME by build_NAME in a fresh copy unless the cache has its sum already.
service() {
  local name=$1 to=$cache/conformance-$1 sum
  sum=$(cd "$app/$name" && find . -type f | sort | xargs sha256sum | cat - "$self" | sha256sum | cut -c1-16)
  [ "$(cat "$to.sum" 2>/dev/null)" = "$sum" ] && return
  rm -rf "$to" "$to.sum"
  cp -r "$app/$name" "$to"
  (cd "$to" && "build_$name")
  echo "$sum" >"$to.sum"
}

# debian FILE PACKAGE...: installs packages unless there is a command or a file.
debian() {
  local file=$1
  shift
  command -v "$file" >/dev/null || [ -e "$file" ] || {
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
  }
}

build_otelgo() { go build -o service .; }

build_datadog() { go build -o service .; }

build_node() {
  debian npm nodejs npm
  npm install --silent --no-audit --no-fund --no-package-lock
}

build_python() {
  debian /usr/share/doc/python3-venv python3-venv
  /usr/bin/python3 -m venv venv
  venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
}

build_java() {
  debian mvn maven
  debian javac openjdk-17-jdk-headless
  mvn -q -B compile
}

for name in "$@"; do
  service "$name"
done
