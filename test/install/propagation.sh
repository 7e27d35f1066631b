#!/usr/bin/env bash
# Builds the services of test/propagation and their SDKs into the cache: `propagation.sh CACHE PART...`. Each part is keyed by the
# sum of its sources, so that a second run only compares sums.
set -euo pipefail
cache=$1
shift
self=$(realpath "$0")
app=$(cd "$(dirname "$0")/../propagation/app" && pwd)
agent=2.33.1
mkdir -p "$cache"

# part NAME: builds the folder NAME by build_NAME in a fresh copy unless the cache has its sum already.
part() {
  local name=$1 to=$cache/propagation-$1 sum
  sum=$(cd "$app/$name" && find . -type f | sort | xargs sha256sum | cat - "$self" | sha256sum | cut -c1-16)
  [ "$(cat "$to.sum" 2>/dev/null)" = "$sum" ] && return
  rm -rf "$to" "$to.sum"
  cp -r "$app/$name" "$to"
  (cd "$to" && "build_$name")
  echo "$sum" >"$to.sum"
}

build_go() { go build -o service .; }

build_node() { npm install --silent --no-audit --no-fund --no-package-lock; }

build_python() {
  dpkg-query -W -f '${db:Status-Status}' python3-venv 2>/dev/null | grep -qx installed || {
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=300 python3-venv
  }
  /usr/bin/python3 -m venv venv
  venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
}

build_java() {
  javac Service.java
  mvn -q -B dependency:copy -Dartifact=io.opentelemetry.javaagent:opentelemetry-javaagent:$agent -DoutputDirectory=. -Dmdep.stripVersion=true
}

for name in "$@"; do
  part "$name"
done
