#!/usr/bin/env bash
# Builds what the fleet needs beyond Debian's packages into the cache: `fleet.sh CACHE`. Each part is keyed by
# the sum of its sources, so that a second run only compares sums.
set -euo pipefail
cache=$1
app=$(cd "$(dirname "$0")/../fleet/app" && pwd)
. "$(dirname "$0")/part.sh"

build_java() { mvn -q -B package; }
build_rust() { cargo build --quiet --release; }

part "" node "$app/node"
part "" java "$app/java"
part "" rust "$app/rust"
