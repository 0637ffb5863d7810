#!/usr/bin/env bash
# Does all the set-up and passes every test: format, lints, documentation, and the tests of every crate
# against a real PostgreSQL and a real Redis, from the images that the stack itself runs.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'test: %s\n' "$*" >&2; }

scripts/bootstrap.sh tests

say "format"
cargo fmt --all --check

say "the images of the stack"
cargo build --release --locked --workspace --bins
webshop="$(cargo metadata --format-version 1 --no-deps --locked | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/release/webshop"
images=$("$webshop" images)
image() { awk -v name="$1" '$1 == name { print $2 }' <<<"$images"; }

servers=()
stop_servers() {
  if [ ${#servers[@]} -gt 0 ]; then docker rm --force --volumes "${servers[@]}" >/dev/null; fi
}
trap stop_servers EXIT

say "PostgreSQL and Redis for the tests, on loopback"
postgres=$(docker run --detach --publish 127.0.0.1::5432 --entrypoint bash "$(image database)" -c '
  set -e
  bin=/usr/lib/postgresql/17/bin
  $bin/initdb --auth=trust --username=postgres /tmp/data >/dev/null
  echo "host all all all trust" >>/tmp/data/pg_hba.conf
  exec $bin/postgres -D /tmp/data -c listen_addresses="*" -c fsync=off -c max_connections=300 \
    -c unix_socket_directories=/tmp -c dynamic_shared_memory_type=mmap')
servers+=("$postgres")
redis=$(docker run --detach --publish 127.0.0.1::6379 --entrypoint redis-server "$(image redis)" \
  --save '' --appendonly no --bind 0.0.0.0 --protected-mode no)
servers+=("$redis")

published() { docker port "$1" "$2/tcp" | head -n 1; }
# A server answers once its port takes a connection and says something back; bounded at 60 s.
answers() { # answers CONTAINER COMMAND...
  local container=$1
  shift
  for _ in $(seq 1 120); do
    if docker exec "$container" "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.5
  done
  docker logs "$container" >&2
  return 1
}
answers "$postgres" /usr/lib/postgresql/17/bin/pg_isready --host 127.0.0.1 --username postgres
answers "$redis" redis-cli ping
DATABASE_URL="postgres://postgres@$(published "$postgres" 5432)/postgres"
REDIS_URL="redis://$(published "$redis" 6379)"
export DATABASE_URL REDIS_URL

say "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings
say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
say "tests"
cargo test --workspace --locked
# What only the test images have.
cargo test --package planted --features on --locked
