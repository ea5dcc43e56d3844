"""The command line: finds the command's module and turns what it raises into an exit code.

Exit codes: 0 done (graded, whatever the score), 2 the command was used wrongly, 3 the grader itself failed,
130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from traceback import print_exc

from autograder.assignment import AssignmentError, UsageError

COMMANDS = ("grade", "check", "list", "build", "kit", "stencil", "validate", "data")
MODULES = {"list": "listing"}  # where the command's own name would hide a builtin

USAGE_ERROR, GRADER_FAILED, INTERRUPTED = 2, 3, 130

# A second thread of the linear algebra libraries would change sums in their last bits, and cost memory.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parsed = _parser(arguments).parse_args(arguments)
    from autograder.sandbox.proxy import GraderError  # after the threads are set: it imports NumPy

    try:
        return parsed.run(parsed)
    except UsageError as error:
        print(f"autograder: {error}", file=sys.stderr)
        return USAGE_ERROR
    except (AssignmentError, GraderError) as error:
        print(f"autograder: the grader itself failed: {error}", file=sys.stderr)
        return GRADER_FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # a fault of ours, or a full disk: never the student's, and told as one
        print_exc()
        print(f"autograder: the grader itself failed: {type(error).__name__}: {error}", file=sys.stderr)
        return GRADER_FAILED


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of all commands, or of the one that was named: importing the others would only cost time."""
    parser = argparse.ArgumentParser(
        prog="autograder",
        description="Grade neural-network homeworks. The submission never runs in the process that judges it.",
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    named = arguments[0] if arguments else ""
    for command in (named,) if named in COMMANDS else COMMANDS:
        import_module(f"autograder.commands.{MODULES.get(command, command)}").add_parser(subparsers)
    return parser
