#!/usr/bin/env bash
# Sets a machine up for webshop: installs what is missing and starts a Docker engine where none answers.
# With `tests`, what only the tests need too.
# Safe to run again: what is there is left alone, and an engine that runs is never touched.
set -euo pipefail

readonly RUST_MIN=1.95
readonly LOG=/var/log/webshop-dockerd.log
readonly purpose=${1:-}

say() { printf 'bootstrap: %s\n' "$*" >&2; }
die() { printf 'error: %s\n\nhint: %s\n' "$1" "$2" >&2; exit 4; }

# ---- packages

missing=()
need() { # need PACKAGE COMMAND...: the package is missing where none of the commands exists
  local package=$1 name
  shift
  for name in "$@"; do
    if command -v "$name" >/dev/null 2>&1 || [ -x "/usr/sbin/$name" ]; then return 0; fi
  done
  missing+=("$package")
}
need_file() { # need_file PACKAGE PATH
  if ! [ -e "$2" ]; then missing+=("$1"); fi
}

system_id() { # "debian", "ubuntu debian": what this system is and what it is like
  if [ -r /etc/os-release ]; then (. /etc/os-release && printf '%s %s' "${ID:-}" "${ID_LIKE:-}"); fi
}

list_missing() {
  # The Kafka client is compiled from C and C++ sources by its own configure script.
  need gcc cc gcc
  need g++ c++ g++
  need make make
  need pkg-config pkg-config
  need_file libc6-dev /usr/include/stdlib.h
  need curl curl
  need ca-certificates update-ca-certificates
  # The base of the images, where none can be pulled; its packages are checked against Debian's keys.
  need mmdebstrap mmdebstrap
  need_file debian-archive-keyring /usr/share/keyrings/debian-archive-keyring.gpg
  # The report's tests look at it in a browser.
  if [ "$purpose" = tests ]; then
    local browser=chromium
    case "$(system_id)" in "ubuntu "*) browser=chromium-browser ;; esac
    need "$browser" chromium chromium-browser google-chrome
  fi
  # An engine elsewhere needs none here.
  if [ -z "${DOCKER_HOST:-}" ] && ! engine_answers; then
    need docker.io dockerd
    need iptables iptables
  fi
}

install_missing() {
  if [ ${#missing[@]} -eq 0 ]; then return 0; fi
  local list="${missing[*]}"
  case " $(system_id) " in
    *" debian "* | *" ubuntu "*) ;;
    *) die "missing: $list" "these are the names of Debian's packages: install their like with this system's package manager, then run this again" ;;
  esac
  if [ "$(id -u)" != 0 ]; then
    die "missing: $list" "run this as root, or: sudo apt-get install --no-install-recommends $list"
  fi
  say "installing $list"
  export DEBIAN_FRONTEND=noninteractive
  local options=(-qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3)
  # A third-party list that cannot be reached must not stop this; a package that is missing afterwards will.
  apt-get update "${options[@]}" >/dev/null || say "some package lists could not be refreshed: going on with the rest"
  # Recommended on Debian 13, a part of docker.io before: people look at a stack with it, webshop itself never calls it.
  if [[ " $list " == *" docker.io "* ]] && apt-cache show docker-cli >/dev/null 2>&1; then missing+=(docker-cli); fi
  apt-get install -y "${options[@]}" --no-install-recommends "${missing[@]}" </dev/null >/dev/null ||
    die "apt-get could not install: ${missing[*]}" "its messages are above; the package lists may be out of date or the mirror away"
}

# ---- the engine

engine_url() { # the arguments with which curl reaches the engine; nothing where curl cannot
  local host=${DOCKER_HOST:-unix:///var/run/docker.sock}
  case "$host" in
    unix://*) printf '%s\n' --unix-socket "${host#unix://}" http://engine ;;
    tcp://*) if [ -z "${DOCKER_TLS_VERIFY:-}" ]; then printf '%s\n' "http://${host#tcp://}"; fi ;;
  esac
}

engine_answers() {
  local url
  mapfile -t url < <(engine_url)
  if [ ${#url[@]} -gt 0 ] && command -v curl >/dev/null 2>&1; then
    curl -fsS --max-time 5 "${url[@]}/_ping" >/dev/null 2>&1
  else
    timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
  fi
}

dockerd_runs() {
  local pid
  pid=$(cat /var/run/docker.pid 2>/dev/null) && [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]
}

launch_engine() {
  if [ -d /run/systemd/system ]; then
    say "starting the docker service"
    systemctl start docker || die "the docker service does not start" "journalctl -u docker says why"
    return
  fi
  say "starting dockerd (log: $LOG)"
  # Containers need a cgroup hierarchy, which nothing but an init system mounts.
  if [ -z "$(ls -A /sys/fs/cgroup 2>/dev/null)" ]; then
    mount -t cgroup2 none /sys/fs/cgroup || say "no cgroups are mounted at /sys/fs/cgroup"
  fi
  # Kernels without nf_tables have the older interface.
  if ! iptables -nL >/dev/null 2>&1 && iptables-legacy -nL >/dev/null 2>&1; then
    say "iptables is switched to its legacy backend: this kernel has no nf_tables"
    update-alternatives --quiet --set iptables /usr/sbin/iptables-legacy
    update-alternatives --quiet --set ip6tables /usr/sbin/ip6tables-legacy || true
  fi
  # In a session of its own and with none of our files: it outlives this script and holds no pipe of the caller open.
  setsid nohup dockerd >"$LOG" 2>&1 </dev/null 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
}

ensure_engine() {
  if engine_answers; then
    say "a Docker engine answers"
    return 0
  fi
  if [ -n "${DOCKER_HOST:-}" ]; then
    die "no engine answers at DOCKER_HOST=$DOCKER_HOST" "start that engine, or unset DOCKER_HOST"
  fi
  if [ "$(id -u)" != 0 ]; then
    if [ -S /var/run/docker.sock ] && ! [ -w /var/run/docker.sock ]; then
      die "this user may not talk to the Docker engine" "sudo usermod -aG docker $(id -un), then log in again; or run this as root"
    fi
    die "no Docker engine answers" "start it (sudo systemctl start docker), or run this as root"
  fi
  # The package's own start script may be at it already.
  if ! dockerd_runs; then launch_engine; fi
  local started=$SECONDS
  until engine_answers; do
    # One that has ended will not answer; it has ten seconds to write its pid file.
    if [ $((SECONDS - started)) -ge 60 ] || { [ $((SECONDS - started)) -ge 10 ] && ! dockerd_runs; }; then
      if [ -r "$LOG" ]; then tail -n 20 "$LOG" >&2; fi
      die "the Docker engine did not start" "its log is $LOG"
    fi
    sleep 0.5
  done
  say "the Docker engine has started"
}

# ---- Rust

check_rust() {
  local have
  if ! command -v cargo >/dev/null 2>&1; then
    if [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
      die "cargo is installed but not in PATH" ". \"${CARGO_HOME:-$HOME/.cargo}/env\", then run this again"
    fi
    die "cargo is missing" "install Rust $RUST_MIN or newer (https://rustup.rs), then run this again"
  fi
  have=$(cargo --version | cut -d' ' -f2)
  if [ "$(printf '%s\n%s\n' "$RUST_MIN" "$have" | sort -V | head -n1)" != "$RUST_MIN" ]; then
    die "cargo $have is too old" "Rust $RUST_MIN or newer is needed: rustup update stable"
  fi
}

list_missing
install_missing
ensure_engine
check_rust
say "ready"
