"""For the report: the four conditions of the handout, trained on the grader's own data. No points depend on them."""

from __future__ import annotations

from typing import Any

import pytest
from gradescope_utils.autograder_utils.decorators import leaderboard, number, tags, weight

from .conditions import EPOCHS, Course, svm_accuracies, train_network


@pytest.fixture(scope="module")
def finished() -> dict[str, Course]:
    """The trainings of this run by data set, so that the SVM's check need not train the network again."""
    return {}


def course_of(submission: Any, probes: Any, name: str, finished: dict[str, Course]) -> Course:
    """The trained network, from another check of this run where there was one."""
    if name not in finished:
        finished[name] = train_network(submission, probes, name)
    return finished[name]


def show_table(show: Any, course: Course, accuracies: tuple[float, float]) -> None:
    """Add the handout's lines to the check's output."""
    data = course.data
    rows = [
        (f"Epoch {stage.epoch}", f"{stage.mean_loss(data):.4f}", f"{100 * accuracy:.2f}%")
        for stage, accuracy in zip((course.first, course.last), accuracies, strict=True)
    ]
    about = f"{len(data.labels)} training and {len(data.test_labels)} test images, {EPOCHS} epochs"
    show.table(about, [("", "Mean training loss", "Test accuracy"), *rows])


def report_network(submission: Any, probes: Any, name: str, finished: dict[str, Course], show: Any) -> float:
    """The network alone: the table, and the accuracy in percent after the last epoch."""
    course = course_of(submission, probes, name, finished)
    accuracies = course.first.accuracy(course.data), course.last.accuracy(course.data)
    show_table(show, course, accuracies)
    return round(100 * accuracies[1], 2)


def report_svm(submission: Any, probes: Any, name: str, finished: dict[str, Course], show: Any) -> float:
    """The SVM on the network's logits: the same."""
    course = course_of(submission, probes, name, finished)
    accuracies = svm_accuracies(submission, probes, course)
    show_table(show, course, accuracies)
    return round(100 * accuracies[1], 2)


@number("Q6.2.6")
@weight(0)
@tags("public", "report")
@leaderboard("NN on MNIST")
def test_network_on_mnist(submission, probes, show, finished, set_leaderboard_value):
    """Report: NN on MNIST"""
    set_leaderboard_value(report_network(submission, probes, "mnist", finished, show))


@number("Q6.2.7")
@weight(0)
@tags("public", "report")
@leaderboard("NN+SVM on MNIST")
def test_svm_on_mnist(submission, probes, show, finished, set_leaderboard_value):
    """Report: NN+SVM on MNIST"""
    set_leaderboard_value(report_svm(submission, probes, "mnist", finished, show))


@number("Q6.2.8")
@weight(0)
@tags("public", "report")
@leaderboard("NN on SceneRec")
def test_network_on_scenes(submission, probes, show, finished, set_leaderboard_value):
    """Report: NN on SceneRec"""
    set_leaderboard_value(report_network(submission, probes, "scenerec", finished, show))


@number("Q6.2.9")
@weight(0)
@tags("public", "report")
@leaderboard("NN+SVM on SceneRec")
def test_svm_on_scenes(submission, probes, show, finished, set_leaderboard_value):
    """Report: NN+SVM on SceneRec"""
    set_leaderboard_value(report_svm(submission, probes, "scenerec", finished, show))
