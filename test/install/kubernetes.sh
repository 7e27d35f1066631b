#!/usr/bin/env bash
# Builds the API server of Kubernetes and etcd into the cache: `kubernetes.sh CACHE`. Both are named by version, so that a second run
# finds them. Built from nothing it costs some 20 minutes on two cores.
set -euo pipefail
cache=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$cache/bin"
kubernetes=v1.37.2 # as test/kubernetes names it
etcd=v3.7.0

[ -x "$cache/bin/kube-apiserver-$kubernetes" ] && [ -x "$cache/bin/etcd-$etcd" ] && exit
work=$(mktemp -d -p "$cache")
trap 'rm -rf "$work"' EXIT

# Both are tools of a module of their own: the module of Kubernetes has replace directives, which `go install` refuses.
cp -r "$here/kubernetes" "$work/module"
cd "$work/module"
export CGO_ENABLED=0
version=k8s.io/component-base/version
go build -p 2 -o etcd go.etcd.io/etcd/server/v3
install etcd "$cache/bin/etcd-$etcd"
# An API server that does not know its version does not start.
go build -p 2 -trimpath -ldflags "-s -w -X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=37" -o kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
install kube-apiserver "$cache/bin/kube-apiserver-$kubernetes"
