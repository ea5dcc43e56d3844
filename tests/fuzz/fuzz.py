"""Fuzz one target for some minutes; `make fuzz` runs them all.

    python tests/fuzz/fuzz.py {wire,answers,collect} [--minutes N] [--engine atheris|hypothesis] [--seed N]

The two engines find different things: atheris keeps what reaches new code and changes bytes without knowing what they
mean; hypothesis makes messages and submissions that are nearly right. Either ends with an error at the first input that
makes the grader fail, and says which it was.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2])]

INSTRUMENTED = [
    *("autograder.sandbox.wire", "autograder.sandbox.transport", "autograder.sandbox.proxy"),
    *("autograder.collect", "autograder.inventory", "autograder.source_text", "autograder.notebook", "zipfile"),
]


def main(arguments: list[str]) -> int:
    """0 where nothing was found."""
    parser = argparse.ArgumentParser(description="Fuzz one target for some minutes.")
    parser.add_argument("target", choices=("wire", "answers", "collect"))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--engine", choices=("atheris", "hypothesis"), default="atheris")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=None, help="where an input that fails is kept")
    options = parser.parse_args(arguments)
    run = with_atheris if options.engine == "atheris" else with_hypothesis
    return run(options.target, options.minutes * 60, options.seed, options.keep or Path.cwd())


def with_atheris(target: str, seconds: float, seed: int, keep: Path) -> int:
    """Coverage-guided; libFuzzer ends the process itself, and prints how many inputs were tried."""
    try:
        import atheris
    except ImportError:
        print(f"{target}: SKIPPED: atheris is not installed (it has wheels for Linux and Python 3.11 to 3.13)")
        return 0
    with atheris.instrument_imports(include=INSTRUMENTED):
        import targets
    targets.use_conversion_in_this_process()
    corpus = Path(tempfile.mkdtemp(prefix=f"corpus-{target}-"))
    for index, content in enumerate(targets.seeds(target)):
        (corpus / str(index)).write_bytes(content)
    settings = [
        *(f"-max_total_time={round(seconds)}", f"-seed={seed}", "-timeout=20", "-rss_limit_mb=2000"),
        *("-max_len=60000", "-print_final_stats=1", "-verbosity=1", f"-artifact_prefix={keep}/{target}-"),
    ]
    atheris.Setup([sys.argv[0], *settings, str(corpus)], targets.TARGETS[target])
    atheris.Fuzz()
    return 0


def with_hypothesis(target: str, seconds: float, seed: int, keep: Path) -> int:
    """Inputs that are nearly right, one round of examples after the other, each with a seed of its own."""
    import hypothesis
    import shapes
    import targets

    targets.use_conversion_in_this_process()
    tried = 0

    def attempt(data: bytes) -> None:
        nonlocal tried
        tried += 1
        try:
            targets.TARGETS[target](data)
        except BaseException:
            (keep / f"{target}-hypothesis-failure").write_bytes(data)
            raise

    end = time.monotonic() + seconds
    for number in itertools.count(seed):
        if time.monotonic() > end:
            break
        settings = hypothesis.settings(
            max_examples=300, database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
        )
        hypothesis.seed(number)(settings(hypothesis.given(shapes.INPUTS[target])(attempt)))()
    print(f"{target}: hypothesis tried {tried:,} inputs in {seconds:.0f} s, nothing found")
    return 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # zipfile warns of names that we repeat on purpose
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    sys.exit(main(sys.argv[1:]))
