#!/usr/bin/env bash
# Does all the set-up and runs the main job: the stack comes up, loses its stock primary under load,
# and every order is accounted for. Ends with the verdict's exit code.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/bootstrap.sh
cargo build --release --locked --workspace --bins
webshop="$(cargo metadata --format-version 1 --no-deps --locked | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/release/webshop"

run() {
  printf '\n$ webshop %s\n' "$*" >&2
  "$webshop" "$@"
}

run up
run chaos --kill stock-db-primary
run verify
