"""Checkpoints: state dicts and whole networks, good, wrong and malicious."""

import dataclasses
import pickle
import textwrap

import msgspec
import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from torch import nn  # noqa: E402

from autograder.checks.checkpoints import load_checkpoint  # noqa: E402
from autograder.checks.compare import CheckFailed  # noqa: E402
from autograder.checks.equivalence import assert_equivalent, with_weights_of  # noqa: E402
from autograder.checks.networks import AUTOENCODER, find_network  # noqa: E402
from autograder.sandbox.policy import Policy  # noqa: E402
from autograder.sandbox.probes import checkpoints  # noqa: E402
from autograder.sandbox.session import Session, Setting  # noqa: E402

STUDENT = textwrap.dedent("""
    import torch
    from torch import nn

    class Auto(nn.Module):
        def __init__(self):
            super().__init__()
            self.d1, self.d2 = nn.Linear(2, 20), nn.Linear(20, 784)
            self.e1, self.e2 = nn.Linear(784, 20), nn.Linear(20, 2)

        def encode(self, x):
            return self.e2(torch.relu(self.e1(x.flatten(1))))

        def forward(self, x):
            return torch.sigmoid(self.d2(torch.relu(self.d1(self.encode(x)))))

    class Other(Auto):
        def encode(self, x):
            return torch.tanh(self.e2(torch.relu(self.e1(x.flatten(1)))))
""")


def student_module():
    """The student's classes as they would be in a script that saves them: in __main__."""
    namespace = {"__name__": "__main__"}
    exec(STUDENT, namespace)
    return namespace


class Evil:
    """Unpickles into a call."""

    def __reduce__(self):
        import os

        return os.system, ("echo harm > harm.txt",)


def write_files(folder):
    import __main__

    torch.manual_seed(3)
    names = student_module()
    network = names["Auto"]()
    state = network.state_dict()
    torch.save(state, folder / "plain.pt")
    torch.save({"epoch": 3, "model_state_dict": state, "loss": 0.1}, folder / "nested.pt")
    torch.save({f"module.{name}": value for name, value in state.items()}, folder / "parallel.pt")
    torch.save(state, folder / "old.pt", _use_new_zipfile_serialization=False)
    torch.save({**state, "d1.bias": torch.zeros(7)}, folder / "shape.pt")
    torch.save({name.replace("e1", "encoder.0"): value for name, value in state.items()}, folder / "names.pt")
    torch.save({"state": state, "extra": Evil()}, folder / "evil.pt")
    torch.save([1, 2, 3], folder / "list.pt")
    (folder / "pickled.pt").write_bytes(pickle.dumps(Evil(), protocol=4))
    (folder / "garbage.pt").write_bytes(b"not a checkpoint" * 10)
    (folder / "truncated.pt").write_bytes((folder / "plain.pt").read_bytes()[:2000])
    (folder / "empty.pt").write_bytes(b"")
    with (folder / "large.pt").open("wb") as file:
        file.truncate(checkpoints.MAX_BYTES + 1)
    __main__.Auto = names["Auto"]
    try:
        torch.save(network, folder / "whole.pt")
    finally:
        del __main__.Auto
    return network


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A session on the student's file with the checkpoints beside it, and the network that was saved."""
    root = tmp_path_factory.mktemp("checkpoints")
    folder, data = root / "submission", root / "data"
    for path in (folder, data):
        path.mkdir()
    for path in (root, root.parent, root.parent.parent, folder, data):
        path.chmod(path.stat().st_mode | 0o755)
    (folder / "student.py").write_text(STUDENT)
    network = write_files(folder)
    preloads = ("numpy", "torch", "autograder.sandbox.probes.networks")
    policy = Policy(call_seconds=20, import_seconds=60)
    with Session(Setting(folder, root, "student.py", data, preloads=preloads, policy=policy)) as session:
        yield session, network


def test_a_worker_that_cannot_fork_loads_it_as_well(saved, tmp_path):
    setting = msgspec.structs.replace(saved[0]._setting, workspace=tmp_path, forks=False)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o755)
    with Session(setting) as session, session.check(60) as worker:
        network = find_network(worker.probes, AUTOENCODER, ["student"])
        assert load_checkpoint(network, "plain.pt").kind == "state_dict"


@pytest.fixture
def found(saved):
    with saved[0].check(60) as worker:
        yield find_network(worker.probes, AUTOENCODER, ["student"])


def images():
    return np.random.default_rng(0).random((4, 1, 28, 28), dtype=np.float32)


@pytest.mark.parametrize(
    ("name", "kind", "remark"),
    [
        ("plain.pt", "state_dict", ""),
        ("nested.pt", "state_dict", ""),
        ("old.pt", "state_dict", ""),
        ("parallel.pt", "state_dict", "nn.DataParallel"),
        ("whole.pt", "network", "state_dict()"),
        ("evil.pt", "state_dict", "system"),
    ],
)
def test_a_checkpoint_gives_the_saved_outputs(saved, found, name, kind, remark):
    loaded = load_checkpoint(found, name)
    assert loaded.kind == kind
    assert remark in " ".join(loaded.remarks)
    assert bool(loaded.remarks) == bool(remark)
    with torch.no_grad():
        wanted = saved[1](torch.from_numpy(images()))
    np.testing.assert_allclose(loaded.network.run(images()), wanted, rtol=1e-5, atol=1e-6)
    assert loaded.network.code(images()).shape == (4, 2)


@pytest.mark.parametrize(
    ("name", "cause", "words"),
    [
        ("shape.pt", "wrong_shape", "d1.bias: (7) in the file, (20) in your network"),
        ("names.pt", None, "only in the file: encoder.0.weight (20, 784)"),
        ("list.pt", None, "holds a list without a state dict"),
        ("garbage.pt", None, "cannot be loaded"),
        ("truncated.pt", None, "cannot be loaded"),
        ("empty.pt", None, "cannot be loaded"),
        ("large.pt", None, "at most 52 MB"),
        ("absent.pt", None, "is not there"),
        ("pickled.pt", None, "system"),
    ],
)
def test_a_checkpoint_that_does_not_fit_says_how(found, name, cause, words):
    with pytest.raises(CheckFailed) as caught:
        load_checkpoint(found, name)
    assert caught.value.explanation.cause == cause
    assert words in caught.value.explanation.got


def test_a_payload_reaches_no_file(saved, found):
    load_checkpoint(found, "evil.pt")
    assert "harm.txt" not in found.probes.files()


def test_a_file_is_looked_at_without_being_run(tmp_path):
    path = tmp_path / "payload.pt"
    path.write_bytes(pickle.dumps([Evil(), Evil()], protocol=4))
    assert checkpoints.foreign_globals(path, []) == ["posix.system"]
    path.write_bytes(b"c__main__\nos.system\n.")
    assert checkpoints.foreign_globals(path, ["student"]) == ["__main__.os.system"]
    torch.save({"w": torch.ones(2), "rng": np.random.RandomState(0).get_state()[1]}, path)
    assert checkpoints.foreign_globals(path, []) == []


@pytest.mark.parametrize("answer", [None, [], {}, {"bytes": "many"}, {"network": 3}])
def test_an_answer_that_is_no_record_is_the_students_failure(found, answer):
    class Forged:
        def run(self, *arguments, **keywords):
            return answer

    with pytest.raises(CheckFailed):
        load_checkpoint(dataclasses.replace(found, probes=Forged()), "plain.pt")


# ---- Equivalence ----------------------------------------------------------------------------------------------------


class Reference(nn.Module):
    """Ours, in the order of use."""

    def __init__(self, hidden=20, activation=None):
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 2))
        self.on_code = activation or nn.Identity()
        self.decoder = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 784), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.on_code(self.encoder(x)))


def test_the_students_weights_in_our_network_give_the_students_outputs(found):
    assert assert_equivalent(found, Reference(), images(), where="Problem 5.4")
    assert assert_equivalent(found, [Reference(activation=nn.Tanh()), Reference()], images(), where="Problem 5.4")


def test_another_function_with_the_same_weights_is_told_without_the_expected_values(found):
    with pytest.raises(CheckFailed) as caught:
        assert_equivalent(found, Reference(activation=nn.Sigmoid()), images(), where="Problem 5.4")
    assert caught.value.explanation.expected is None


def test_layers_that_do_not_fit_are_a_difference(found):
    with pytest.raises(CheckFailed, match="differs"):
        with_weights_of(found, Reference(hidden=30), where="Problem 5.4")
    with pytest.raises(CheckFailed, match="do not correspond"):
        with_weights_of(found, nn.Sequential(nn.Linear(784, 20)), where="Problem 5.4")
