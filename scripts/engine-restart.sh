#!/usr/bin/env bash
# The kill matrix's last row: stops the Docker engine under load, starts it again, and has every order judged.
# Only on a machine that may lose all its containers for a moment: each of them ends with the engine.
#   scripts/engine-restart.sh [RATE]     default 100/s; the stack must be up
# Exits as `webshop verify` does.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly rate=${1:-100/s}
webshop=${WEBSHOP:-$(cargo metadata --format-version 1 --no-deps --locked | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/release/webshop}

say() { printf 'engine-restart: %s\n' "$*" >&2; }
die() { printf 'error: %s\n\nhint: %s\n' "$1" "$2" >&2; exit 4; }

if [ -n "${DOCKER_HOST:-}" ]; then die "the engine is elsewhere (DOCKER_HOST)" "run this on the engine's own machine"; fi
if [ "$(id -u)" != 0 ]; then die "only root may stop the engine" "run this as root"; fi

stop_engine() {
  if [ -d /run/systemd/system ]; then
    systemctl stop docker.socket docker.service
    return
  fi
  local pid
  pid=$(cat /var/run/docker.pid)
  kill -TERM "$pid"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
}

latest() { readlink -f runs/latest 2>/dev/null || true; }
before=$(latest)
say "load at $rate for 100 s"
"$webshop" load --rate "$rate" --for 100s --name engine-restart &
load=$!
trap 'kill -INT $load 2>/dev/null || true' EXIT
# It has begun once the history of a run of its own grows.
until [ "$(latest)" != "$before" ] && [ "$(wc -l 2>/dev/null <"$(latest)/history.jsonl" || echo 0)" -gt 2000 ]; do
  kill -0 "$load" 2>/dev/null || die "the load ended before the engine was stopped" "its messages are above"
  sleep 0.2
done
run=$(latest)
say "stopping the engine"
began=$SECONDS
stop_engine
say "stopped after $((SECONDS - began)) s; starting it again"
scripts/bootstrap.sh
say "it answers $((SECONDS - began)) s after it was told to stop"
wait "$load"
trap - EXIT
exec "$webshop" verify "$run"
