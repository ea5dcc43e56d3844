#!/usr/bin/env bash
# Grades in real containers: brings up a Docker engine where none answers, builds each assignment's image from
# `autograder build`, and runs the scenarios of tests/container in Gradescope's own layout and limits.
# Says SKIPPED, and why, where this machine cannot do that. Arguments are pytest's: `-k every_attack_is_held` runs the attacks alone.
#   BASE     the images' base; by default one made here of Debian's packages, since an offline machine can pull none
#   VENV     the environment that holds the autograder and what its tests need (default: .venv)
#   TORCH    "no" leaves the PyTorch homework out
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
export VENV=${VENV:-$root/.venv}
base=${BASE:-}
assignments=(csci567_hw3 csci1430_hw5)
torch_assignment=cpsc663_ex2
scratch=$(mktemp -d)
engine=

skip() {
  echo "container test: SKIPPED: $*"
  exit 0
}

clean_up() {
  if [ -n "$engine" ]; then
    kill "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
    umount "$scratch"/exec/netns/* 2>/dev/null || true # which the engine leaves mounted
  fi
  rm -rf "$scratch"
}
trap clean_up EXIT

need_package() { # COMMAND PACKAGE
  command -v "$1" >/dev/null && return
  [ "$(id -u)" = 0 ] || skip "$1 is missing, and installing $2 needs root"
  command -v apt-get >/dev/null || skip "$1 is missing, and there is no apt-get to install $2 with"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2"; } \
    >"$scratch/apt.log" 2>&1 || skip "$2 could not be installed: $(tail -n 1 "$scratch/apt.log")"
}

# No bridge and no firewall rules: builds use the host's network and runs none, so the engine need not change this
# machine's. Socket and data are our own, so that another engine is left alone.
start_engine() {
  if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
    return
  fi
  [ "$(id -u)" = 0 ] || skip "no Docker engine answers, and starting one needs root"
  need_package dockerd docker.io
  export DOCKER_HOST=unix://$scratch/docker.sock
  dockerd --bridge=none --iptables=false --host "$DOCKER_HOST" --pidfile "$scratch/docker.pid" \
    --data-root "$scratch/data" --exec-root "$scratch/exec" >"$scratch/docker.log" 2>&1 &
  engine=$!
  local _
  for _ in $(seq 60); do
    docker info >/dev/null 2>&1 && return
    kill -0 "$engine" 2>/dev/null || break
    sleep 0.5
  done
  skip "a Docker engine does not start here: $(tail -n 1 "$scratch/docker.log")"
}

# Where this environment's torch is a build without CUDA that its pip can bring again, images get the same wheel: the
# registry alone may have only builds of several gigabytes. (The image's own installation still tries uv first.)
add_torch_wheel() { # FOLDER
  local version
  version=$("$VENV/bin/python" -c 'import importlib.metadata as m; print(m.version("torch"))')
  [[ $version == *+cpu ]] || return 0
  "$VENV/bin/python" -m pip download --quiet --no-deps --only-binary :all: --disable-pip-version-check --dest "$1" \
    "torch==$version" >"$scratch/wheel.log" 2>&1 \
    || echo "container test: no wheel of torch $version at hand, the image fetches its own"
}

# A small system of this machine's release, and on it what this machine's pip needs to reach its registry.
make_base() {
  need_package mmdebstrap mmdebstrap
  local sources=() candidate
  for candidate in /etc/apt/sources.list.d/{debian,ubuntu}.sources /etc/apt/sources.list; do
    if [ -s "$candidate" ]; then sources+=("$candidate"); fi
  done
  # shellcheck source=/dev/null
  mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates \
    "$(. /etc/os-release && echo "$VERSION_CODENAME")" - "${sources[@]}" \
    | docker import - autograder-test:system >/dev/null
  mkdir -p "$scratch/base/wheels"
  tar -C / --ignore-failed-read -cf "$scratch/base/pip.tar" \
    etc/ssl/certs/ca-certificates.crt etc/pip.conf etc/xdg/pip 2>/dev/null
  if [ -n "$torch_assignment" ]; then add_torch_wheel "$scratch/base/wheels"; fi
  docker build --quiet --tag autograder-test:base --file - "$scratch/base" >/dev/null <<'DOCKERFILE'
FROM autograder-test:system
ADD pip.tar /
COPY wheels /opt/wheels
ENV PIP_FIND_LINKS=/opt/wheels
DOCKERFILE
  base=autograder-test:base
}

timed() { # WORDS COMMAND...
  local words=$1 started=$SECONDS
  shift
  "$@"
  echo "container test: $words: $((SECONDS - started)) s"
}

build_image() {
  DOCKER_BUILD_OPTIONS="--network host --quiet" \
    "$root/docker/build_image.sh" "$1" "autograder-test:$1" "$base"
}

if [ "${TORCH:-yes}" = no ] || [ ! -e "$root/tests/$torch_assignment/assignment.toml" ]; then
  echo "container test: the PyTorch homework is left out (TORCH=no, or there is none)"
  torch_assignment=
else
  assignments+=("$torch_assignment")
fi
export DOCKER_BUILDKIT=0 # the older builder needs no plugin, and is in every engine
timed "engine" start_engine
if [ -z "$base" ]; then timed "base image" make_base; fi
for id in "${assignments[@]}"; do
  timed "image of $id" build_image "$id"
  echo "container test: its size: $(($(docker image inspect --format '{{.Size}}' "autograder-test:$id") / 1000000)) MB"
done
timed "scenarios" env AUTOGRADER_TEST_IMAGE=autograder-test AUTOGRADER_TEST_TORCH="$torch_assignment" \
  "$VENV/bin/python" -m pytest "$root/tests/container" --rootdir "$root" "$@"
