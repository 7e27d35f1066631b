#!/bin/sh
# Starts a store of its own and then the Node service that asks it between its steps: `stored.sh postgres|redis FOLDER STORE-PORT`.
set -eu
kind=$1 folder=$2 port=$3
case $kind in
postgres)
  bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
  install -d -o postgres "$folder/store"
  as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
  as_postgres "$bin/initdb" --pgdata "$folder/store" --auth trust --no-sync >/dev/null
  as_postgres "$bin/postgres" -D "$folder/store" -k "$folder/store" -h 127.0.0.1 -p "$port" -F -c max_connections=64 &
  until "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; do sleep 0.1; done
  ;;
redis)
  redis-server --port "$port" --bind 127.0.0.1 --save '' --dir "$folder" &
  until redis-cli -p "$port" ping >/dev/null 2>&1; do sleep 0.1; done
  ;;
esac
exec env STORE="$port" node "$(dirname "$0")/service.js" "$kind"
