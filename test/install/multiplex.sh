#!/usr/bin/env bash
# Puts grpcio and grpc-js with the peers of test/multiplex into the cache: `multiplex.sh CACHE`. Each is keyed by the sum of its
# sources, so that a second run only compares sums.
set -euo pipefail
cache=$1
app=$(cd "$(dirname "$0")/../multiplex/app" && pwd)
. "$(dirname "$0")/part.sh"

part multiplex- node "$app/node"
part multiplex- python "$app/python"
