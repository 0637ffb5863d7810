#!/usr/bin/env bash
# Makes the Debian 13 base of every image from Debian's own mirrors and prints its name.
#
#   scripts/base-image.sh [TAG]       imports it into the engine as TAG (default webshop/base:trixie)
#   scripts/base-image.sh --tar       writes the root file system as a tar archive to stdout and imports nothing
#
# MIRROR, if set, is used in place of the mirrors that mmdebstrap takes by default.
set -euo pipefail

suite=trixie
tag=${1:-webshop/base:trixie}

die() { printf 'error: %s\n\nhint: %s\n' "$1" "$2" >&2; exit 4; }
command -v mmdebstrap >/dev/null 2>&1 || die "mmdebstrap is missing" "run scripts/bootstrap.sh, or: apt-get install mmdebstrap"

# No documentation or translations: nobody reads them in a container.
root_filesystem() {
  mmdebstrap --quiet --variant=minbase \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --aptopt='Acquire::Retries "3"' --aptopt='Acquire::Languages "none"' \
    "$suite" - ${MIRROR:+"$MIRROR"}
}

# The engine's own interface: the docker command is a package of its own on some systems.
import() {
  if command -v docker >/dev/null 2>&1; then
    docker import - "$tag" >/dev/null
    return
  fi
  local host=${DOCKER_HOST:-unix:///var/run/docker.sock} target
  case "$host" in
    unix://*) target=(--unix-socket "${host#unix://}" http://engine) ;;
    tcp://*) target=("http://${host#tcp://}") ;;
    *) die "cannot import over DOCKER_HOST=$host without the docker command" "install docker-cli" ;;
  esac
  local answer
  answer=$(curl -sS --fail-with-body -X POST -H 'Content-Type: application/x-tar' -T - \
    "${target[@]}/images/create?fromSrc=-&repo=${tag%:*}&tag=${tag##*:}") || die "the engine refused the import: $answer" "see its log"
}

if [ "$tag" = --tar ]; then
  root_filesystem
  exit 0
fi
case "$tag" in *:*) ;; *) tag=$tag:latest ;; esac
# To a file first: a download that breaks off must not leave half an image.
archive=$(mktemp)
trap 'rm -f "$archive"' EXIT
root_filesystem >"$archive"
import <"$archive"
printf '%s\n' "$tag"
