# What the install scripts share; sourced by them. They set $cache.
self=$(realpath "$0")
mkdir -p "$cache"

# part PREFIX NAME SOURCE: copies SOURCE to the cache's folder PREFIXNAME and builds it there by build_NAME, unless it is there
# already with the sum of SOURCE and of the script.
part() {
  local name=$2 source=$3 to=$cache/$1$2 sum
  sum=$(cd "$source" && find . -type f | sort | xargs sha256sum | cat - "$self" "$(dirname "$self")/part.sh" | sha256sum | cut -c1-16)
  [ "$(cat "$to.sum" 2>/dev/null)" = "$sum" ] && return
  rm -rf "$to" "$to.sum"
  cp -r "$source" "$to"
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

build_node() {
  debian npm nodejs npm
  npm install --silent --no-audit --no-fund --no-package-lock
}

build_python() {
  debian /usr/share/doc/python3-venv python3-venv
  /usr/bin/python3 -m venv venv
  venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
}
