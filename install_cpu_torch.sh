#!/usr/bin/env bash
# Installs pinned releases of torch and torchvision in their builds without CUDA, where those can be had:
# install_cpu_torch.sh PYTHON torch==2.13.0 torchvision==0.28.0
# uv knows where these builds are published. Without uv or without a way there, pip installs what its registry has:
# that grades the same, in a far larger installation. What is installed already is left alone.
set -euo pipefail

python=${1:?usage: install_cpu_torch.sh PYTHON PIN...}
shift
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

is_installed() {
  "$python" - "$@" <<'PYTHON'
import sys
from importlib.metadata import PackageNotFoundError, version

def installed(pin):
    name, _, wanted = pin.partition("==")
    try:
        return version(name).partition("+")[0] == wanted
    except PackageNotFoundError:
        return False

sys.exit(not all(map(installed, sys.argv[1:])))
PYTHON
}

# Elsewhere the registry's own builds are without CUDA already.
from_uv() {
  [ "$(uname -s)" = Linux ] \
    && "$python" -m pip install --quiet --no-input --no-cache-dir --disable-pip-version-check --target "$scratch/uv" uv \
    && "$scratch/uv/bin/uv" pip install --quiet --no-cache --python "$python" --torch-backend=cpu "$@" \
      2>"$scratch/log"
}

from_pip() {
  echo "install_cpu_torch.sh: uv could not bring the builds without CUDA; pip installs what its registry has" >&2
  if [ -s "$scratch/log" ]; then tail -n 3 "$scratch/log" >&2; fi
  "$python" -m pip install --quiet --no-input --no-cache-dir --disable-pip-version-check "$@"
}

if ! is_installed "$@"; then
  from_uv "$@" || from_pip "$@"
fi
"$python" -c 'import torch; print("torch", torch.__version__)'
