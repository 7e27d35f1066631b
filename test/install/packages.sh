#!/usr/bin/env bash
# Installs the Debian packages that the tests run: servers, clients, interpreters: `packages.sh [MORE...]`. A second run only
# asks dpkg.
# No service is started: a policy-rc.d that refuses is in place while apt runs, and is gone afterwards.
set -euo pipefail

packages=(
  nginx-light apache2-bin haproxy
  curl wget wrk libcurl3-nss
  gunicorn python3-flask python3-fastapi python3-uvicorn python3-requests
  ruby puma php8.2-fpm php8.2-curl
  openjdk-17-jdk-headless maven nodejs npm
  cargo-web gcc libc6-dev # the distribution's cargo is too old for today's tokio
  "$@"
)

# nodejs may come from another vendor, and a program that is there needs no package.
have() {
  case $1 in
    nodejs) command -v node ;;
    npm) command -v npm ;;
    cargo-web) command -v cargo ;;
    maven) command -v mvn ;;
    *) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
  esac >/dev/null
}

missing=()
for package in "${packages[@]}"; do
  have "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  trap 'rm -f $policy' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}"
