"""Train the three networks that the reference of cpsc663_ex2 hands in, and put them beside it.

Usage, from the root of the course: python reference/make_checkpoints.py [--epochs 60]

It runs the reference's own programs on the embedded digits with their default seed, in one thread, so that the same
version of PyTorch makes the same networks again.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from autograder.data import prepare_data

REFERENCE = Path(__file__).resolve().parent / "cpsc663_ex2"
PROGRAMS = {"prob5_AE.py": ("mnist_ae.pt",), "prob6_CAE.py": ("mnist_cae.pt", "mnist-cae-skip.pt")}


def make_checkpoints(epochs: int) -> None:
    """Run both programs in a temporary folder and copy what they saved, not what they drew."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare_data("mnist", folder, folder / "mnist")
        for program, checkpoints in PROGRAMS.items():
            command = [sys.executable, "-B", str(REFERENCE / program), "--data-dir", name, "--epochs", str(epochs)]
            subprocess.run(command, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
            for checkpoint in checkpoints:
                shutil.copyfile(folder / checkpoint, REFERENCE / checkpoint)


def main() -> None:
    """Read the number of epochs and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60)
    make_checkpoints(parser.parse_args().epochs)


if __name__ == "__main__":
    main()
