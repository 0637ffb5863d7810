#!/usr/bin/env bash
# Sets a machine up for webshop: installs what is missing and starts a Docker engine where none answers.
# Safe to run again: what is there is left alone, and an engine that runs is never touched.
set -euo pipefail

say() { printf 'bootstrap: %s\n' "$*" >&2; }
die() { printf 'error: %s\n\nhint: %s\n' "$1" "$2" >&2; exit 4; }

missing=()
need() { # need PACKAGE COMMAND...: the package is missing unless one of the commands exists
  local package=$1 name
  shift
  for name in "$@"; do
    if command -v "$name" >/dev/null 2>&1 || [ -x "/usr/sbin/$name" ]; then return 0; fi
  done
  missing+=("$package")
}

need docker.io dockerd
need mmdebstrap mmdebstrap
need gcc cc gcc
need g++ c++ g++
need make make
need pkg-config pkg-config
need iptables iptables
need ca-certificates update-ca-certificates

install_missing() {
  [ ${#missing[@]} -gt 0 ] || return 0
  local list="${missing[*]}" id like
  id=$(. /etc/os-release 2>/dev/null && printf '%s' "${ID:-}")
  like=$(. /etc/os-release 2>/dev/null && printf '%s' "${ID_LIKE:-}")
  case " $id $like " in
    *" debian "*|*" ubuntu "*) ;;
    *) die "missing: $list" "install these with this system's package manager, then run this again" ;;
  esac
  [ "$(id -u)" = 0 ] || die "missing: $list" "run as root, or: sudo apt-get install --no-install-recommends $list"
  say "installing $list"
  export DEBIAN_FRONTEND=noninteractive
  # A third-party list that cannot be reached must not stop the install; a package that is missing will.
  apt-get update -qq || say "some package lists could not be refreshed; going on with the rest"
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

engine_answers() { [ -S /var/run/docker.sock ] && curl_socket; }
curl_socket() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

start_engine() {
  if docker version --format '{{.Server.Version}}' >/dev/null 2>&1; then
    say "the Docker engine $(docker version --format '{{.Server.Version}}') answers"
    return 0
  fi
  [ -z "${DOCKER_HOST:-}" ] || die "no engine answers at DOCKER_HOST" "start that engine, or unset DOCKER_HOST"
  [ "$(id -u)" = 0 ] || die "no Docker engine answers" "start it (sudo systemctl start docker), or run this as root"
  local log=/var/log/webshop-dockerd.log
  if command -v systemctl >/dev/null 2>&1 && systemctl is-system-running >/dev/null 2>&1; then
    say "starting the docker service"
    systemctl start docker
  else
    say "starting dockerd (log: $log)"
    # Detached from our output and session: it outlives this script and holds no pipe of the caller open.
    setsid nohup dockerd >"$log" 2>&1 </dev/null &
  fi
  for _ in $(seq 1 120); do
    if docker version --format '{{.Server.Version}}' >/dev/null 2>&1; then
      say "the Docker engine $(docker version --format '{{.Server.Version}}') answers"
      return 0
    fi
    sleep 0.5
  done
  tail -n 20 "$log" >&2 || true
  die "dockerd did not answer within 60 s" "its log is $log"
}

install_missing
start_engine
command -v cargo >/dev/null 2>&1 || die "cargo is missing" "install Rust 1.95 or newer with rustup, then run this again"
