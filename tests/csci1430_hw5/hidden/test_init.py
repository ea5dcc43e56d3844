"""Q6.1: the constructor with the sizes of the course's own data sets, and with the smallest there are."""

from __future__ import annotations

from collections.abc import Iterator

from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from ..public.network import MNIST_LIKE, SCENE_LIKE, DataSet, make_data, new_model, require_parameter


def unusual_data_sets() -> Iterator[DataSet]:
    """MNIST's 784 pixels, a scene's 144 features, and one pixel with two classes."""
    yield make_data(3, 784, 10, MNIST_LIKE, seed=1)
    yield make_data(20, 144, 15, SCENE_LIKE, seed=2)
    yield make_data(1, 1, 2, MNIST_LIKE, seed=3)
    yield make_data(2, 3, 40, SCENE_LIKE, seed=4)


@number("Q6.1.3")
@weight(0.25)
@visibility("after_published")
def test_weights_of_other_sizes(submission, probes):
    """The weights W fit MNIST, the scenes and very small images alike"""
    for data in unusual_data_sets():
        model = new_model(submission, data, probes.module("hyperparameters"))
        require_parameter(model, "W", (data.pixels, data.classes))


@number("Q6.1.4")
@weight(0.25)
@visibility("after_published")
def test_biases_of_other_sizes(submission, probes):
    """The biases b fit MNIST, the scenes and very small images alike"""
    for data in unusual_data_sets():
        model = new_model(submission, data, probes.module("hyperparameters"))
        require_parameter(model, "b", (1, data.classes))
