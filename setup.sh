#!/usr/bin/env bash
# Gradescope runs this once, when it builds an assignment's image; run again, it ends in the same state.
# The platform's own harness runs on the system's Python, so everything goes into a virtual environment of our own.
# AUTOGRADER_HOME replaces /autograder, for trying the script elsewhere.
set -euo pipefail

home=${AUTOGRADER_HOME:-/autograder}
venv=$home/venv
source_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
  echo "setup.sh: $*" >&2
  exit 1
}

# A registry that does not answer for a moment must not cost the whole build.
retry() {
  local pause
  for pause in 5 20 60; do
    "$@" && return
    echo "setup.sh: failed: $*; trying again in $pause seconds" >&2
    sleep "$pause"
  done
  "$@"
}

pip_install() {
  retry "$venv/bin/python" -m pip install --quiet --no-input --no-cache-dir --disable-pip-version-check "$@"
}

# `python3 -m venv` needs ensurepip, which some images leave out. Then the system's pip only fetches pip's own wheel,
# which installs itself into the environment; the package manager is the last resort.
make_environment() {
  python3 -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
    || fail "Python 3.10 to 3.13 is needed; this image has $(python3 --version). Choose another base image."
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 && return
  python3 -m venv --clear "$venv" >/dev/null 2>&1 && return
  if python3 -m pip --version >/dev/null 2>&1; then
    python3 -m venv --clear --without-pip "$venv"
    retry python3 -m pip download --quiet --no-deps --disable-pip-version-check --dest "$scratch" pip
    local wheels=("$scratch"/pip-*.whl)
    "$venv/bin/python" "${wheels[0]}/pip" install --quiet --no-index "${wheels[0]}"
  else
    retry apt-get update -qq
    retry env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv
    python3 -m venv --clear "$venv"
  fi
}

# First of all, so that pip takes what is there already for the pinned version.
install_cpu_torch() {
  local pins
  mapfile -t pins < <(grep '^torch' "$source_folder/requirements.txt")
  if [ ${#pins[@]} -gt 0 ]; then retry bash "$source_folder/install_cpu_torch.sh" "$venv/bin/python" "${pins[@]}"; fi
}

# Not an editable install: it would point into source/, which the worker cannot read once it has given up root.
# From a copy, since building leaves files beside the sources that a second run would pick up.
install_package() {
  mkdir "$scratch/package"
  cp -R "$source_folder"/autograder "$source_folder"/pyproject.toml "$source_folder"/README.md "$scratch/package"
  pip_install --no-deps --force-reinstall "$scratch/package"
}

[ -f "$source_folder/requirements.txt" ] \
  || fail "requirements.txt is not beside setup.sh. Upload the zip that 'autograder build ID -o ZIP' writes."
make_environment
install_cpu_torch
pip_install -r "$source_folder/requirements.txt"
install_package
# Where matplotlib is installed it lists the fonts once, instead of in front of every student.
"$venv/bin/python" -c 'import importlib.util as u; u.find_spec("matplotlib") and __import__("matplotlib.font_manager")'
# The worker reads the libraries as an unprivileged user, who must not be able to change them.
chmod -R a+rX,go-w "$venv"
# An assignment that does not load should fail here, in the build's log, and not in front of a class.
AUTOGRADER_ROOT=$source_folder "$venv/bin/autograder" list
