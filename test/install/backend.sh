#!/usr/bin/env bash
# Builds the OpenTelemetry Collector and Jaeger into the cache: `backend.sh CACHE`. Both are named by version, so
# that a second run finds them. Built from nothing it costs about 11 minutes of one core.
set -euo pipefail
cache=$1
here=$(cd "$(dirname "$0")" && pwd)
builder=v0.161.0
mkdir -p "$cache/bin"

work=$(mktemp -d -p "$cache")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

collector() {
  local out=$cache/bin/otelcol-$builder-tiers # as test/backend names it
  [ -x "$out" ] && return
  GOBIN=$work/bin go install "go.opentelemetry.io/collector/cmd/builder@$builder"
  cp "$here/collector/builder.yaml" "$work/"
  (cd "$work" && bin/builder --config builder.yaml)
  install "$work/out/otelcol-weft" "$out"
}

# Jaeger's module has a replace directive, which `go install` refuses; so it is a tool of a module of its own.
jaeger() {
  local out=$cache/bin/jaeger-v1.76.0
  [ -x "$out" ] && return
  cp -r "$here/jaeger" "$work/jaeger"
  (cd "$work/jaeger" && go build -o jaeger github.com/jaegertracing/jaeger/cmd/jaeger)
  install "$work/jaeger/jaeger" "$out"
}

collector
jaeger
