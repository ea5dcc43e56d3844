"""The checks of stat6910_hw5: right answers of any form pass, wrong ones are named, and no answer upsets a check."""

import dataclasses
import importlib
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from autograder.checks.compare import CheckFailed  # noqa: E402
from autograder.checks.traces import read_trace  # noqa: E402
from autograder.sandbox.probes import tracing, update_rules  # noqa: E402
from autograder.sandbox.probes.alexnet import make_alexnet, state_of  # noqa: E402
from autograder.sandbox.proxy import StudentError  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
RATE = 0.1
MODULES = {"update_rules": update_rules, "networks": tracing}


@pytest.fixture(scope="module")
def suite() -> Iterator[SimpleNamespace]:
    """The suite's helpers."""
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        names = ("public.optimizers", "public.readouts", "public.normalization", "public.convolutional",
                 "public.training", "public.common", "hidden.formulas")  # fmt: skip
        yield SimpleNamespace(**{n.rpartition(".")[2]: importlib.import_module(f"stat6910_hw5.{n}") for n in names})
    finally:
        sys.path.remove(str(ROOT / "tests"))


class Here:
    """Probes that run in this process, with the errors of a student's code as the proxy gives them."""

    def run(self, module, function, *arguments, called="", **keywords):
        try:
            return getattr(MODULES[module], function)(*arguments, **keywords)
        except (TypeError, ValueError) as error:
            raise StudentError(type(error).__name__, str(error)) from None


def make_optimizer(name, parameters, **hyperparameters):
    """A right one."""
    classes = {"sgd": torch.optim.SGD, "momentum": torch.optim.SGD, "adagrad": torch.optim.Adagrad}
    tuned = {"lr": 0.1, **({"momentum": 0.9} if name == "momentum" else {})}
    return classes.get(name, torch.optim.Adam)(parameters, **{**tuned, **hyperparameters})


def steps_of(suite: SimpleNamespace, name: str, make=make_optimizer, **hyperparameters):
    task = suite.optimizers.varying(3)
    return task, suite.optimizers.moves(Here(), SimpleNamespace(make_optimizer=make), name, task, hyperparameters)


def cause_of(failure: pytest.ExceptionInfo) -> str | None:
    return failure.value.explanation.cause


# ---- Optimizers -----------------------------------------------------------------------------------------------------


def rules(formulas: ModuleType) -> dict:
    return {
        "sgd": partial(formulas.descent, lr=RATE),
        "momentum": partial(formulas.momentum, lr=RATE, mu=0.9),
        "adagrad": partial(formulas.adagrad, lr=RATE),
        "adam": partial(formulas.adam, lr=RATE),
    }


@pytest.mark.parametrize("name", ["sgd", "momentum", "adagrad", "adam"])
def test_pytorchs_optimizers_follow_the_formulas(suite, name):
    task, got = steps_of(suite, name)
    suite.optimizers.assert_follows(got, [suite.optimizers.by_entry(rules(suite.formulas)[name], task)], "")


@pytest.mark.parametrize("name", ["sgd", "momentum", "adagrad", "adam"])
def test_no_optimizer_follows_another_ones_formula(suite, name):
    task, got = steps_of(suite, name)
    for other in {*rules(suite.formulas)} - {name}:
        rule = suite.optimizers.by_entry(rules(suite.formulas)[other], task)
        with pytest.raises(CheckFailed):
            suite.optimizers.assert_follows(got, [rule], "")


def test_a_step_uphill_is_named(suite):
    _, right = steps_of(suite, "sgd")
    got = [[-array for array in of_step] for of_step in right]
    with pytest.raises(CheckFailed) as failure:
        suite.optimizers.assert_follows(got, [right], "", alternatives={"ascends": [got]})
    assert cause_of(failure) == "ascends"


def test_parameters_that_are_left_out_are_named(suite):
    _, right = steps_of(suite, "sgd")
    got = [[array if array.ndim > 1 else 0 * array for array in of_step] for of_step in right]
    with pytest.raises(CheckFailed) as failure:
        suite.optimizers.assert_follows(got, [right], "")
    assert cause_of(failure) == "updates_subset"


def test_the_steps_of_another_rule_are_told_with_their_cause(suite):
    _, right = steps_of(suite, "momentum")
    _, plain = steps_of(suite, "sgd")
    look = suite.optimizers.Look("wrong_rule", "there is no velocity", plain)
    with pytest.raises(CheckFailed, match="no velocity") as failure:
        suite.optimizers.assert_follows(plain, [right], "", looks=[look])
    assert cause_of(failure) == "wrong_rule"


def test_two_mistakes_that_give_the_same_steps_have_no_cause(suite):
    _, right = steps_of(suite, "momentum")
    _, plain = steps_of(suite, "sgd")
    looks = [suite.optimizers.Look(cause, "", plain) for cause in ("wrong_rule", "hyperparameter_ignored")]
    with pytest.raises(CheckFailed) as failure:
        suite.optimizers.assert_follows(plain, [right], "", looks=looks)
    assert cause_of(failure) is None


def test_a_factor_of_the_first_step_alone_is_no_cause(suite):
    task, right = steps_of(suite, "momentum")
    nesterov = suite.optimizers.by_entry(partial(suite.formulas.nesterov, lr=RATE, mu=0.9), task)
    with pytest.raises(CheckFailed) as failure:
        suite.optimizers.assert_follows(nesterov, [right], "")
    assert cause_of(failure) is None


def test_the_expected_numbers_of_a_hidden_check_are_not_told(suite):
    _, right = steps_of(suite, "adam")
    _, other = steps_of(suite, "sgd")
    with pytest.raises(CheckFailed) as failure:
        suite.optimizers.assert_follows(other, [right], "", hide_expected=True)
    assert failure.value.explanation.expected is None


def test_hyperparameters_may_have_the_handouts_names(suite):
    def own(name, parameters, eta=0.5, mu=0.1):
        return torch.optim.SGD(parameters, lr=eta, momentum=mu)

    submission = SimpleNamespace(make_optimizer=own)
    wanted = {"lr": 0.2, "momentum": 0.7}
    assert suite.optimizers.accepted(Here(), submission, "momentum", wanted) == {"eta": 0.2, "mu": 0.7}


def test_a_learning_rate_without_effect_is_named(suite):
    def own(name, parameters, **hyperparameters):
        return torch.optim.SGD(parameters, lr=0.3)

    with pytest.raises(CheckFailed) as failure:
        suite.optimizers.accepted(Here(), SimpleNamespace(make_optimizer=own), "sgd", {"lr": 0.2})
    assert cause_of(failure) == "learning_rate_ignored"


def test_an_optimizer_that_takes_no_rate_at_all_is_an_error_of_the_students(suite):
    def own(name, parameters):
        return torch.optim.SGD(parameters, lr=0.3)

    with pytest.raises(StudentError, match="unexpected keyword"):
        suite.optimizers.accepted(Here(), SimpleNamespace(make_optimizer=own), "sgd", {"lr": 0.2})


@pytest.mark.parametrize("answer", [None, [], [[1.0]], [["text"] * 4] * 5, [[np.zeros((9, 9))] * 4] * 5])
def test_an_answer_that_is_no_record_of_steps_fails(suite, answer):
    probes = SimpleNamespace(run=lambda *_, **__: answer)
    with pytest.raises(CheckFailed):
        suite.optimizers.moves(probes, SimpleNamespace(make_optimizer=None), "sgd", suite.optimizers.varying(0), {})


def test_a_parameter_without_a_gradient_has_none(suite):
    seen = []

    class Looks(torch.optim.SGD):
        def step(self):
            seen.extend(parameter.grad for parameter in self.param_groups[0]["params"])

    update_rules.steps(lambda name, parameters: Looks(parameters, lr=1.0), "sgd", [[1.0], [2.0]], [[None, [3.0]]], {})
    assert seen[0] is None
    assert seen[1].tolist() == [3.0]


# ---- Batch normalization --------------------------------------------------------------------------------------------


class OwnNormalization(torch.nn.Module):
    """Written by hand, with running statistics that are replaced and plain attributes."""

    def __init__(self, axis: int = 0) -> None:
        super().__init__()
        self.mean, self.variance, self.axis = torch.zeros(10), torch.ones(10), axis

    def forward(self, z):
        if not self.training:
            return (z - self.mean) / torch.sqrt(self.variance + 1e-5)
        mean, variance = z.mean(self.axis, keepdim=True), z.var(self.axis, keepdim=True)
        if self.axis == 0:
            self.mean = 0.9 * self.mean + 0.1 * mean.detach()[0]
            self.variance = 0.9 * self.variance + 0.1 * variance.detach()[0]
        return (z - mean) / torch.sqrt(variance + 1e-5)


def network_of(suite: SimpleNamespace, *norms: torch.nn.Module) -> SimpleNamespace:
    """What a check holds of a network with these behind its three linear layers."""
    torch.manual_seed(0)
    nn = torch.nn
    first, second, third = norms
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), first, nn.ReLU(), nn.Linear(10, 10), second, nn.ReLU(),
                          nn.Linear(10, 10), third)  # fmt: skip

    def trace(training=False):
        images = np.random.default_rng(0).random((5, 1, 28, 28), dtype=np.float32)
        return read_trace(tracing.trace(model, images, training), training=training)

    return SimpleNamespace(trace=trace, probes=Here(), handle=model, made="Net()", inputs=lambda images: images)


NOTHING = torch.nn.Identity


@pytest.mark.parametrize("make", [partial(torch.nn.BatchNorm1d, 10), OwnNormalization])
def test_batch_normalization_is_found_however_it_is_written(suite, make):
    suite.normalization.assert_normalised(network_of(suite, make(), make(), NOTHING()))


@pytest.mark.parametrize("make", [partial(torch.nn.BatchNorm1d, 10), OwnNormalization])
def test_a_layer_without_normalization_is_told(suite, make):
    with pytest.raises(CheckFailed, match="linear layer 2"):
        suite.normalization.assert_normalised(network_of(suite, make(), NOTHING(), NOTHING()))
    with pytest.raises(CheckFailed, match="scores"):
        suite.normalization.assert_normalised(network_of(suite, make(), make(), make()))


def test_normalization_over_the_units_is_named(suite):
    wrong = partial(OwnNormalization, axis=1)
    with pytest.raises(CheckFailed) as failure:
        suite.normalization.assert_normalised(network_of(suite, wrong(), wrong(), NOTHING()))
    assert cause_of(failure) == "wrong_axis"


def test_one_normalization_for_both_layers_is_told(suite):
    shared = torch.nn.BatchNorm1d(10)
    with pytest.raises(CheckFailed, match="serves both"):
        suite.normalization.assert_normalised(network_of(suite, shared, shared, NOTHING()))


def test_a_trace_in_training_mode_leaves_statistics_of_any_kind_alone(suite):
    norm = OwnNormalization()
    network_of(suite, norm, NOTHING(), NOTHING()).trace(training=True)
    assert not norm.mean.any()
    assert (norm.variance == 1).all()


# ---- Reading out ----------------------------------------------------------------------------------------------------


def test_the_network_is_the_same_wherever_it_is_made_and_chance_stays_as_it_was():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one, other = make_alexnet(hidden=8, seed=5), make_alexnet(hidden=8, seed=5)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert state_of(one) == state_of(other)
    assert state_of(make_alexnet(hidden=8, seed=6)) != state_of(one)


@pytest.fixture(scope="module")
def pair(suite):
    settings = {"channels": 64, "padding": 2, "hidden": 8, "seed": 0}
    images = torch.randn(2, 3, 227, 227, generator=torch.Generator().manual_seed(0))
    return suite.readouts.Pair(None, make_alexnet(**settings), images)


def test_outputs_of_the_first_convolution(suite, pair):
    right = pair.convolution()
    assert right.shape == (2, 64, 56, 56)
    suite.readouts.assert_first(torch.from_numpy(right).float(), pair, hide_expected=True)
    for wrong, said in (
        (np.maximum(right, 0), "ReLU"), (pair.pooled(), "pooling"), (pair.convolution(1), "convolution 2 puts out"),
        (right[:1], "only the first"), (right * 1.5, "convolution"), (None, "None"), ([], "output"), ("text", "str"),
    ):  # fmt: skip
        with pytest.raises(CheckFailed, match=said):
            suite.readouts.assert_first(wrong, pair, hide_expected=True)


def test_scores_of_the_last_layer(suite, pair):
    right = pair.scores()
    suite.readouts.assert_last(right, pair, hide_expected=True)
    for wrong, said in (
        (suite.readouts.softmax(right), "softmax"),
        (right[:, :8], "shape"),
        (right[0], "only the first"),
    ):
        with pytest.raises(CheckFailed, match=said):
            suite.readouts.assert_last(wrong, pair, hide_expected=True)


def test_answers_that_differ_from_call_to_call_are_named(suite):
    answers = iter([[("a", 0.5)], [("a", 0.25)]])
    with pytest.raises(CheckFailed) as failure:
        suite.readouts.assert_repeats(lambda: next(answers), "top5")
    assert cause_of(failure) == "not_in_eval_mode"
    suite.readouts.assert_repeats(lambda: [("a", 0.5)], "top5")


SCORES = np.random.default_rng(0).standard_normal(1000) * 3
NAMES = [f"class {index}" for index in range(1000)]


def five(suite, order, probabilities=None, shift=0):
    values = suite.readouts.softmax(SCORES) if probabilities is None else probabilities
    return [(NAMES[index + shift], float(values[index])) for index in order]


def test_five_most_probable_classes(suite):
    order = np.argsort(-SCORES)
    judge = partial(suite.readouts.assert_top5, scores=SCORES, class_names=NAMES, hide_expected=False)
    judge(five(suite, order[:5]))
    judge([list(entry) for entry in five(suite, order[:5])])
    wrong = {
        "wrong_order": five(suite, order[:5][::-1]),
        "off_by_one": five(suite, order[:5], shift=-1),
        "wrong_axis": five(suite, order[:5], np.ones(1000)),
        "wrong_shape": five(suite, order[:4]),
        "returns_none": None,
        "wrong_type": ["class 1"] * 5,
        "missing_softmax": five(suite, order[:5], SCORES),
        None: five(suite, [order[9], *order[1:5]]),
    }
    for cause, answer in wrong.items():
        with pytest.raises(CheckFailed) as failure:
            judge(answer)
        assert cause_of(failure) == cause


def test_the_least_probable_classes_are_told(suite):
    with pytest.raises(CheckFailed, match="least probable"):
        suite.readouts.assert_top5(five(suite, np.argsort(SCORES)[:5]), SCORES, NAMES, hide_expected=True)


def test_pictures_are_cropped_or_padded_around_the_middle_or_from_a_corner(suite):
    image = suite.readouts.picture(300, 100)
    middle = np.zeros((227, 227, 3), np.uint8)
    middle[:, 63:163] = image[36:263]
    corner = np.zeros((227, 227, 3), np.uint8)
    corner[:, :100] = image[:227]
    for right in (middle, corner, middle.astype(float)):
        suite.readouts.assert_fitted(right, image)
    for wrong in (middle + 1, middle[:224], np.roll(middle, 3, 0), None):
        with pytest.raises(CheckFailed):
            suite.readouts.assert_fitted(wrong, image)


def test_usual_slips_of_fitting_a_picture_are_named(suite):
    image = suite.readouts.picture(300, 100, "float32")
    right = np.zeros((227, 227, 3), np.float32)
    right[:, 63:163] = image[36:263]
    wrong = {
        "resizes_image": image[np.arange(227) * 300 // 227][:, np.arange(227) * 100 // 227],
        "padding_not_zero": np.where(right == 0, 1, right),
        "transposed": right.transpose(1, 0, 2),
        "wrong_dtype": right.astype(np.uint8),
        None: right / 2,
    }
    for cause, answer in wrong.items():
        with pytest.raises(CheckFailed) as failure:
            suite.readouts.assert_fitted(answer, image)
        assert cause_of(failure) == cause


def test_a_picture_of_one_pixel_tells_no_slip(suite):
    image = suite.readouts.picture(1, 1)
    with pytest.raises(CheckFailed) as failure:
        suite.readouts.assert_fitted(np.broadcast_to(image, (227, 227, 3)), image)
    assert cause_of(failure) is None


# ---- The convolutional network, and accuracies ----------------------------------------------------------------------


def cnn_of(*layers) -> SimpleNamespace:
    model = torch.nn.Sequential(*layers)
    images = np.random.default_rng(0).random((5, 1, 28, 28), dtype=np.float32)
    trace = read_trace(tracing.trace(model, images), training=False)
    return SimpleNamespace(trace=lambda: trace, made="CNN()")


def test_convolutions_with_their_pooling(suite):
    nn = torch.nn
    judge = suite.convolutional.assert_pooled_convolutions
    first, second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
    end = (nn.Flatten(), nn.LazyLinear(10))
    judge(cnn_of(first, nn.ReLU(), nn.MaxPool2d(2), second, nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.Tanh(), *end))
    judge(cnn_of(first, nn.MaxPool2d(2), second, second, nn.MaxPool2d(2), *end))
    wrong = {
        "missing_pooling": cnn_of(first, second, nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(10)),
        "wrong_pooling": cnn_of(first, nn.AvgPool2d(2), second, nn.AvgPool2d(2), nn.Flatten(), nn.LazyLinear(10)),
    }
    for cause, network in wrong.items():
        with pytest.raises(CheckFailed) as failure:
            judge(network)
        assert cause_of(failure) == cause
    with pytest.raises(CheckFailed, match="one convolution"):
        judge(cnn_of(first, nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(10)))


def test_a_softmax_over_the_images_is_named(suite):
    for dim, right in ((1, True), (0, False)):
        network = cnn_of(torch.nn.Flatten(), torch.nn.Softmax(dim=dim))
        if right:
            suite.convolutional.assert_softmax_over_classes(network.trace(), network)
            continue
        with pytest.raises(CheckFailed) as failure:
            suite.convolutional.assert_softmax_over_classes(network.trace(), network)
        assert cause_of(failure) == "wrong_axis"


def test_an_accuracy_is_a_share_or_a_percentage(suite):
    judge = partial(
        suite.common.assert_accuracy, expected=0.6, called="", others=[("wrong_divisor", "counting twice", 0.9)]
    )
    judge(0.6)
    judge(60.0)
    for wrong, said, cause in (
        (0.9, "counting twice", "wrong_divisor"),
        (0.61, "0.61", None),
        (None, "None", "wrong_type"),
        ([0.1, 0.2], "shape", "wrong_shape"),
    ):
        with pytest.raises(CheckFailed, match=said) as failure:
            judge(wrong)
        assert cause_of(failure) == cause


def test_an_accuracy_that_two_mistakes_explain_has_no_cause(suite):
    others = [("wrong_divisor", "one way", 0.3), ("last_batch_only", "another", 0.3)]
    with pytest.raises(CheckFailed, match="one way") as failure:
        suite.common.assert_accuracy(0.3, 0.6, "", others)
    assert cause_of(failure) is None


def test_costs_that_are_sums_are_told(suite):
    training = suite.training
    training.assert_cost(2.3, (2.3,))
    for wrong, said in (
        (2.3 * training.BATCHES, "sum over the batches"),
        (2.3 * 48, "sum over the pictures"),
        (1.0, "1.0"),
    ):
        with pytest.raises(CheckFailed, match=said):
            training.assert_cost(wrong, (2.3,))


@pytest.mark.parametrize("form", ["scores", "log-probabilities", "probabilities"])
def test_the_cost_is_known_for_every_kind_of_output(suite, form):
    scores = torch.randn(6, 10, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(6)
    outputs = {"scores": scores, "log-probabilities": scores.log_softmax(1), "probabilities": scores.softmax(1)}[form]
    expected = float(torch.nn.functional.cross_entropy(scores, labels))
    costs = suite.training.costs_of(outputs.double().numpy(), labels.numpy())
    assert costs[0] == pytest.approx(expected, abs=1e-5)
    assert (len(costs) == 2) is (form == "probabilities")


def test_examples_are_the_same_every_time_and_hold_a_zero(suite):
    one, other = suite.optimizers.varying(2), suite.optimizers.varying(2)
    assert all(map(np.array_equal, one.start, other.start))
    assert all(of_step[0][0, 0] == 0 for of_step in one.gradients)
    assert dataclasses.is_dataclass(one)
