#!/bin/sh
# Starts or stops a private PostgreSQL cluster for tests: Unix socket only, nothing of the machine's own clusters is touched.
#   Tests/cluster.sh start DIRECTORY   prints the connection string to put into TEST_DATABASE_URL
#   Tests/cluster.sh stop DIRECTORY    stops it and removes DIRECTORY
# DIRECTORY must be short: a socket path has a limit of 107 bytes. PostgreSQL refuses to run as root, so root becomes postgres.
set -eu

usage() {
  echo "usage: $0 start|stop DIRECTORY" >&2
  exit 2
}

[ $# -eq 2 ] || usage
action=$1
directory=$2

if [ -n "${PG_BIN:-}" ]; then
  bin=$PG_BIN
else
  bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
fi
[ -x "$bin/initdb" ] || { echo "$0: no PostgreSQL server programs found; install postgresql or set PG_BIN" >&2; exit 1; }

as_postgres() {
  if [ "$(id -u)" -eq 0 ]; then
    runuser -u postgres -- "$@"
  else
    "$@"
  fi
}

start() {
  mkdir -p "$directory"
  directory=$(cd "$directory" && pwd)
  if [ "$(id -u)" -eq 0 ]; then chown postgres: "$directory"; fi
  if [ ! -e "$directory/data/PG_VERSION" ]; then
    as_postgres "$bin/initdb" --pgdata="$directory/data" --username=postgres --auth=trust --encoding=UTF8 \
      --locale=C.UTF-8 --no-sync >"$directory/initdb.log" 2>&1 || { cat "$directory/initdb.log" >&2; exit 1; }
  fi
  if ! as_postgres "$bin/pg_ctl" --pgdata="$directory/data" status >/dev/null 2>&1; then
    as_postgres "$bin/pg_ctl" --pgdata="$directory/data" --log="$directory/server.log" --wait --silent \
      --options="-c listen_addresses='' -c unix_socket_directories='$directory' -c unix_socket_permissions=0777 \
        -c fsync=off -c max_connections=200" \
      start || { tail -n 20 "$directory/server.log" >&2; exit 1; }
  fi
  echo "host=$directory user=postgres dbname=postgres"
}

stop() {
  [ -e "$directory/data/PG_VERSION" ] || exit 0
  as_postgres "$bin/pg_ctl" --pgdata="$directory/data" --mode=immediate --wait --silent stop || true
  rm -rf "$directory"
}

case $action in
  start) start ;;
  stop) stop ;;
  *) usage ;;
esac
