"""The course that is attacked: one small homework, and a secret in every place where there is one to be found."""

from __future__ import annotations

import json
import os
from pathlib import Path

from attacks.record import HONEST

TOKEN = "PLATFORM_TOKEN"
"""A variable of the grader's with a secret in it: there before its program was started, as /proc tells it."""

SETTINGS = """
id = "attacked"
title = "Attacked homework"
course = "Attacks"
points = 8
main = "attacked.py"
preloads = {preloads}

[files]
required = ["attacked.py"]
optional = {optional}

[budgets]
call_seconds = 1
check_seconds = {check_seconds}
import_seconds = {import_seconds}
statement_seconds = 1
run_seconds = 100
memory_mb = {memory_mb}

[[items]]
id = "1"
title = "Doubling"
points = 2
handout = "page 1"

[[items]]
id = "2"
title = "Tripling"
points = 4
handout = "page 2"

[[items]]
id = "3"
title = "Five times"
points = 2
handout = "page 3"
"""

HEADER = """
import numpy as np
from gradescope_utils.autograder_utils.decorators import number, tags, visibility, weight
from hypothesis import given, settings, strategies as st

from autograder.checks.compare import assert_close
from autograder.sandbox.proxy import RemoteObject, StandIn
"""

PUBLIC = (
    HEADER
    + '''
def doubles_as_told(function, factor, seed):
    X = np.random.default_rng(seed).standard_normal((2, 3)).round(1)
    assert_close(function(X), factor * X, name="what it returns")

@number("1.1")
@weight(1)
@tags("public")
def test_first(submission):
    """first doubles"""
    doubles_as_told(submission.first, 2, 0)

@number("2.1")
@weight(1)
@tags("public")
@settings(max_examples=3)
@given(seed=st.integers(0, 100))
def test_second(submission, seed):
    """second triples"""
    doubles_as_told(submission.second, 3, seed)

@number("2.3")
@weight(1)
@tags("public")
def test_model(submission):
    """a model uses the weights that it is given"""
    model = submission.Model(2)
    assert isinstance(model, RemoteObject), "Model(2) is no object"
    model.params = {**model.params, "W": 3 * np.eye(2)}
    assert_close(model.forward(np.ones((1, 2))), np.full((1, 2), 3.0), name="model.forward(X)")

@number("2.4")
@weight(1)
@tags("public")
def test_apply(submission):
    """apply uses the layer that it is given"""
    layer = StandIn("Layer", {"seen": 0}, {"forward": lambda fields, x: x})
    assert_close(submission.apply(layer, np.ones((1, 2))), np.ones((1, 2)), name="apply(layer, X)")

@number("3.1")
@weight(1)
@tags("public")
def test_third(submission):
    """third multiplies by five"""
    doubles_as_told(submission.third, 5, 0)
'''
)

HIDDEN = (
    HEADER
    + '''
SECRET = "{hidden}"

def same_as_reference(submission, reference, name):
    secret_in_a_frame = SECRET
    X = np.linspace(-1.0, 1.0, 6).reshape(3, 2)
    assert_close(getattr(submission, name)(X), getattr(reference, name)(X), name=f"{{name}}(X)")
    assert secret_in_a_frame == reference.SECRET.replace("reference", "hidden")

@number("1.2")
@weight(1)
@visibility("after_published")
def test_first_hidden(submission, reference):
    """first is right on held inputs"""
    same_as_reference(submission, reference, "first")

@number("2.2")
@weight(1)
@visibility("after_published")
def test_second_hidden(submission, reference):
    """second is right on held inputs"""
    same_as_reference(submission, reference, "second")

@number("3.2")
@weight(1)
@visibility("after_published")
def test_third_hidden(submission, reference):
    """third is right on held inputs"""
    same_as_reference(submission, reference, "third")
'''
)

CHECKPOINT = (
    HEADER
    + '''
@number("2.5")
@weight(0)
@tags("public")
def test_checkpoint(submission, probes):
    """the weights can be read"""
    network = submission.network()
    seen = probes.run("checkpoints", "load_checkpoint", "weights.pt", network, ["attacked"], called="torch.load")
    assert False, f"read: {seen['kind']!r}, calls {list(seen['globals'])}, error {seen['error']!r}"
'''
)


def write_course(folder: Path, token: str, *, with_torch: bool = False) -> dict[str, str]:
    """Write the course into `folder`; its secrets, by the place where each stands."""
    secrets = {place: f"CANARY-{place}-{token}" for place in ("hidden", "reference", "metadata", "home")}
    secrets["environment"] = os.environ[TOKEN]
    suite, reference = folder / "tests" / "attacked", folder / "reference" / "attacked"
    for path in (suite / "public", suite / "hidden", reference):
        path.mkdir(parents=True)
    torch = '["numpy", "torch", "autograder.sandbox.probes.checkpoints"]'
    settings = {"preloads": torch if with_torch else '["numpy"]', "memory_mb": 600 if with_torch else 300}
    optional = '["weights.pt"]' if with_torch else "[]"
    settings |= {"optional": optional, "check_seconds": 10 if with_torch else 4, "import_seconds": 3}
    (suite / "assignment.toml").write_text(SETTINGS.format(**settings))
    (suite / "public" / "test_public.py").write_text(PUBLIC)
    if with_torch:
        (suite / "public" / "test_checkpoint.py").write_text(CHECKPOINT)
    (suite / "hidden" / "test_hidden.py").write_text(HIDDEN.format(**secrets))
    (reference / "attacked.py").write_text(f"{HONEST}\nSECRET = {secrets['reference']!r}\n")
    earlier = {"previous_submissions": [{"score": "1.0", "results": {"output": secrets["metadata"]}}]}
    (folder / "submission_metadata.json").write_text(json.dumps(earlier))
    return secrets
