# docker build --build-arg VERSION=$(git describe --always) -t weft .
# docker run --rm --pid=host --cap-drop=ALL --cap-add={BPF,PERFMON,SYS_PTRACE,DAC_READ_SEARCH,NET_ADMIN,SYS_ADMIN} --security-opt apparmor=unconfined weft
#
# The Go compiler runs on the builder's own architecture and makes the program for the image's: amd64 or arm64.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETARCH VERSION=dev
RUN GOOS=linux GOARCH=$TARGETARCH make build VERSION=$VERSION

# One static file and the certificates by which a collector is known.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/bin/weft /weft
ENTRYPOINT ["/weft"]
CMD ["run"]
