"""install_cpu_torch.sh, run with a Python and a uv that only write down what they are asked for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "install_cpu_torch.sh"
PINS = ("torch==2.13.0", "torchvision==0.28.0")
PYTHON = """\
#!/usr/bin/env bash
echo "python $*" >>"$CALLS"
case "$*" in
  "- "*) cat >/dev/null; [ "$INSTALLED" = yes ] ;;
  *--target*)
    [ "$UV" != unreachable ] || exit 1
    mkdir -p "${@: -2:1}/bin"
    cp "$FAKE_UV" "${@: -2:1}/bin/uv"
    ;;
  *"import torch"*) echo "torch 2.13.0+cpu" ;;
esac
"""
UV = """\
#!/usr/bin/env bash
echo "uv $*" >>"$CALLS"
[ "$UV" = works ] || { echo "error: no way to the builds without CUDA" >&2; exit 2; }
"""

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the script asks uv on Linux only"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="the script is one for bash"),
]


@pytest.fixture
def install(tmp_path):
    """Runs the script; returns how it ended and what was called, without the script's own scratch folder."""

    def run(installed="no", uv="works"):
        for name, text in (("python", PYTHON), ("uv", UV)):
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
        calls, scratch = tmp_path / "calls", tmp_path / "scratch"
        scratch.mkdir()
        done = subprocess.run(
            ["bash", str(SCRIPT), str(tmp_path / "python"), *PINS],
            env={
                "PATH": os.environ["PATH"],
                "CALLS": str(calls),
                "FAKE_UV": str(tmp_path / "uv"),
                "INSTALLED": installed,
                "UV": uv,
                "TMPDIR": str(scratch),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert list(scratch.iterdir()) == [], "what is only needed for the installation must go with it"
        return done, calls.read_text().splitlines()

    return run


def called(calls, program):
    """The calls of a program that install something of the pins."""
    return [call for call in calls if call.startswith(program) and "install" in call and PINS[0] in call]


def test_uv_brings_the_builds_without_cuda_into_that_python(install, tmp_path):
    done, calls = install()
    assert (done.returncode, done.stderr) == (0, "")
    assert "torch 2.13.0+cpu" in done.stdout
    (call,) = called(calls, "uv")
    assert f"--python {tmp_path}/python --torch-backend=cpu {' '.join(PINS)}" in call
    assert called(calls, "python") == []


@pytest.mark.parametrize("uv", ["unreachable", "fails"])
def test_without_uv_or_its_way_pip_installs_what_its_registry_has_and_it_is_said(install, uv):
    done, calls = install(uv=uv)
    assert done.returncode == 0
    assert len(called(calls, "python -m pip")) == 1
    assert "pip installs what its registry has" in done.stderr
    assert ("no way to the builds without CUDA" in done.stderr) == (uv == "fails")


def test_what_is_installed_is_left_alone(install):
    done, calls = install(installed="yes")
    assert done.returncode == 0
    assert not [call for call in calls if "install" in call]
