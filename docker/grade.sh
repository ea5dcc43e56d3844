#!/usr/bin/env bash
# One run as on Gradescope's smallest container, and without a network: docker/grade.sh IMAGE SUBMISSION RESULTS.json
# The submission is copied, not mounted: run_autograder changes its rights.
# DOCKER_CREATE_OPTIONS: more options for `docker create`.
set -euo pipefail

image=${1:?usage: docker/grade.sh IMAGE SUBMISSION RESULTS.json}
submission=${2:?usage: docker/grade.sh IMAGE SUBMISSION RESULTS.json}
results=${3:?usage: docker/grade.sh IMAGE SUBMISSION RESULTS.json}
here=$(cd "$(dirname "$0")" && pwd)

read -ra options <<<"${DOCKER_CREATE_OPTIONS:-}"
container=$(docker create --network none --memory 768m --memory-swap 768m --cpus 0.5 "${options[@]}" \
  "$image" /autograder/run_autograder)
trap 'docker rm --force "$container" >/dev/null' EXIT
if [ -d "$submission" ]; then submission=$submission/.; fi
docker cp "$submission" "$container:/autograder/submission/"
docker cp "$here/submission_metadata.json" "$container:/autograder/submission_metadata.json"
docker start --attach "$container"
docker cp "$container:/autograder/results/results.json" "$results"
