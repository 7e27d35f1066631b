#!/usr/bin/env bash
# Builds the image of the Dockerfile where no container engine runs: the same steps, as an OCI image layout for amd64 and arm64.
#   deploy/image.sh [OUT]     writes OUT (default bin/image), to be sent on by skopeo copy oci:OUT:VERSION docker://… or ctr image import
# With ARCHES=amd64 it is for that architecture alone.
# The same sources give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-bin/image}
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo dev)}
certificates=${CERTIFICATES:-/etc/ssl/certs/ca-certificates.crt}
limit=$((40 << 20))

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$out"
mkdir -p "$out/blobs/sha256"

# blob FILE puts it into the layout and sets digest and size.
blob() {
  digest=$(sha256sum "$1" | cut -d' ' -f1)
  size=$(stat -c %s "$1")
  mv "$1" "$out/blobs/sha256/$digest"
}

manifests=()
for arch in ${ARCHES:-amd64 arm64}; do
  root=$work/$arch
  mkdir -p "$root/etc/ssl/certs"
  cp "$certificates" "$root/etc/ssl/certs/ca-certificates.crt"
  GOOS=linux GOARCH=$arch CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "$root/weft" ./cmd/weft
  chmod -R u=rwX,go=rX "$root"

  layer=$work/layer.tar
  tar -C "$root" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf "$layer" etc weft
  diff=$(sha256sum "$layer" | cut -d' ' -f1)
  [ "$(stat -c %s "$layer")" -lt "$limit" ] || { echo "the image for $arch is larger than 40 MiB" >&2; exit 1; }
  gzip -n -9 "$layer"
  blob "$layer.gz"
  layer_digest=$digest layer_size=$size

  printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/weft"],"Cmd":["run"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$arch" "$diff" >"$work/config.json"
  blob "$work/config.json"
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:%s","size":%d}]}' \
    "$digest" "$size" "$layer_digest" "$layer_size" >"$work/manifest.json"
  blob "$work/manifest.json"
  manifests+=("$(printf '{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%d,"platform":{"architecture":"%s","os":"linux"}}' "$digest" "$size" "$arch")")
  echo "$arch: $(stat -c %s "$root/weft") bytes of program, $layer_size bytes of layer"
done

printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s]}' "$(IFS=,; echo "${manifests[*]}")" >"$work/index.json"
blob "$work/index.json"
printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:%s","size":%d,"annotations":{"org.opencontainers.image.ref.name":"%s"}}]}' \
  "$digest" "$size" "$version" >"$out/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' >"$out/oci-layout"
