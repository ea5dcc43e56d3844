"""Checkpoints: pickles in the files of weights that some homeworks ask for."""

from __future__ import annotations

import io
import pickle
import zipfile

from attacks.record import Attack, while_loaded

NETWORK = while_loaded("""
    import torch
    def network():
        return torch.nn.Linear(2, 2)
""")


class Call:
    """Unpickles into `function(*arguments)`."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.parts = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.parts  # type: ignore[return-value]


def running(code: str) -> bytes:
    """A pickle that runs `code` beside the submission's own functions."""
    return pickle.dumps(Call(exec, f"from attacked import *\n{code}\ntell()\n"), protocol=2)


def as_torch_writes(pickled: bytes) -> bytes:
    """In the zip that torch.save makes today."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/version", "3\n")
        file.writestr("archive/byteorder", "little")
    return buffer.getvalue()


READS = running("import os\nattempt('hidden check', read, ROOT + '/tests/attacked/hidden/test_hidden.py')\n"
                "attempt('reference', read, ROOT + '/reference/attacked/attacked.py')")  # fmt: skip
STARTS = running("import os\nattempt('shell', lambda: 1 / (os.system('touch /tmp/' + MARK) == 0))\n"
                 "attempt('kill', os.kill, GRADER, 9)\nattempt('results', write, RESULTS, '{}')")  # fmt: skip


def checkpoint(name: str, tries: str, weights: bytes, evidence: str) -> Attack:
    return Attack(name, tries, NETWORK, evidence, loses=(), files={"weights.pt": weights}, needs=("torch",))


GROUP = (
    checkpoint(
        "unpickles_into_reading",
        "to read the hidden checks while its weights are loaded",
        READS,
        "2.5 .*CLOSED hidden check: PermissionError.*CLOSED reference: PermissionError|2.5 .*(exec|cannot|error)",
    ),
    checkpoint(
        "unpickles_into_a_shell",
        "to start a program, to end the grader and to write the grade while its weights are loaded",
        as_torch_writes(STARTS),
        "2.5 .*CLOSED shell: .*CLOSED kill: PermissionError.*CLOSED results: PermissionError|2.5 .*(exec|cannot|error)",
    ),
    checkpoint(
        "unpickles_into_an_exit",
        "to end the process while its weights are loaded",
        running("import os\nprint('LEAVING')\nos._exit(0)"),
        "2.5 crash |2.5 .*(exec|cannot|error)",
    ),
    checkpoint(
        "unpickles_for_ever",
        "to grow beyond all memory while its weights are loaded",
        running("hoard = ['x']\nwhile True:\n    hoard = hoard + hoard"),
        "2.5 (crash|timeout|error|failed) ",
    ),
    checkpoint(
        "has_weights_that_are_none",
        "to have whoever reads the weights choke on them",
        b"PK\x03\x04" + bytes(range(256)) * 40,
        "2.5 (failed|error) .*(error|OSError)",
    ),
)
