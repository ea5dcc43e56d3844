#!/usr/bin/env bash
# The image Gradescope would make of an assignment: docker/build_image.sh ID TAG [BASE]
# VENV names the environment that holds the autograder (default: .venv), DOCKER_BUILD_OPTIONS more options for `docker build`.
set -euo pipefail

id=${1:?usage: docker/build_image.sh ID TAG [BASE]}
tag=${2:?usage: docker/build_image.sh ID TAG [BASE]}
base=${3:-}
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"${VENV:-$root/.venv}/bin/autograder" build "$id" -o "$scratch/$id.zip"
# Python's zipfile forgets the executable bits; the Dockerfile gives them back, as Gradescope does.
python3 -m zipfile -e "$scratch/$id.zip" "$scratch/context"
read -ra options <<<"${DOCKER_BUILD_OPTIONS:-}"
docker build "${options[@]}" ${base:+--build-arg "BASE=$base"} --tag "$tag" --file "$root/Dockerfile" "$scratch/context"
