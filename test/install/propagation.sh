#!/usr/bin/env bash
# Builds the services of test/propagation and their SDKs into the cache: `propagation.sh CACHE PART...`. Each part is keyed by the
# sum of its sources, so that a second run only compares sums.
set -euo pipefail
cache=$1
shift
app=$(cd "$(dirname "$0")/../propagation/app" && pwd)
agent=2.33.1
. "$(dirname "$0")/part.sh"

build_go() { go build -o service .; }

build_java() {
  javac Service.java
  mvn -q -B dependency:copy -Dartifact=io.opentelemetry.javaagent:opentelemetry-javaagent:$agent -DoutputDirectory=. -Dmdep.stripVersion=true
}

for name in "$@"; do
  part propagation- "$name" "$app/$name"
done
