"""Q6.1: the constructor makes W and b."""

from __future__ import annotations

from gradescope_utils.autograder_utils.decorators import number, tags, weight
from hypothesis import given

from .network import data_sets, new_model, require_parameter


@number("Q6.1.1")
@weight(0.25)
@tags("public")
@given(data=data_sets())
def test_weights(submission, probes, data):
    """The weights W have one row for each pixel and one column for each class"""
    model = new_model(submission, data, probes.module("hyperparameters"))
    require_parameter(model, "W", (data.pixels, data.classes))


@number("Q6.1.2")
@weight(0.25)
@tags("public")
@given(data=data_sets())
def test_biases(submission, probes, data):
    """The biases b are one row with one entry for each class"""
    model = new_model(submission, data, probes.module("hyperparameters"))
    require_parameter(model, "b", (1, data.classes))
