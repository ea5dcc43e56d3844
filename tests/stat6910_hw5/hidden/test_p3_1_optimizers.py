"""3.1: the four rules step by step against their formulas, and trainings with each."""

from functools import partial

from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks import pictures
from autograder.checks.compare import fail
from autograder.checks.training import make_loader

from ..public.common import find_plain, load_digits
from ..public.optimizers import NAMES, SEEDS, accepted, assert_follows, by_entry, described, moves, varying
from ..public.training import TRAIN, small_task
from . import formulas

RATE = 0.04
EXAMPLES, VALIDATED, BATCH = 640, 160, 32
EPOCHS = (10, 30)
"""How long a training may take to show that it learns: networks of sigmoids start slowly."""
FALLEN = 0.85
SUGGESTED = {
    "sgd": {"lr": 0.1},
    "momentum": {"lr": 0.05, "momentum": 0.9},
    "adagrad": {"lr": 0.02},
    "adam": {"lr": 0.002},
}


def negated(rule):
    """Uphill."""
    return lambda gradients: [-change for change in rule(gradients)]


def follow(submission, probes, name, wanted, rules, alternatives=None, looks=None):
    """The student's steps are those of one of the rules, on several sets of parameters and gradients."""
    hyperparameters = accepted(probes, submission, name, wanted)
    for seed in SEEDS:
        task = varying(seed)
        assert_follows(
            moves(probes, submission, name, task, hyperparameters),
            [by_entry(rule, task) for rule in rules],
            described(name, hyperparameters),
            alternatives={
                slug: [by_entry(rule, task) for rule in wrong]
                for slug, wrong in {"ascends": [negated(rules[0])], **(alternatives or {})}.items()
            },
            looks={sentence: by_entry(rule, task) for sentence, rule in (looks or {}).items()},
            hide_expected=True,
        )


@number("3.1.10")
@weight(1)
@visibility("after_published")
def test_sgd_steps(submission, probes):
    """Each step of standard SGD depends on its own gradient alone"""
    rule = partial(formulas.descent, lr=RATE)
    follow(submission, probes, "sgd", {"lr": RATE}, [rule])


@number("3.1.11")
@weight(2)
@visibility("after_published")
def test_momentum_steps(submission, probes):
    """SGD with momentum follows v' = mu v - eta * gradient, w' = w + v'"""
    for mu in (0.9, 0.5):
        follow(
            submission, probes, "momentum", {"lr": RATE, "momentum": mu},
            [partial(formulas.momentum, lr=RATE, mu=mu)],
            looks={
                "they are the steps of plain gradient descent": partial(formulas.descent, lr=RATE),
                "they are those of a dampened gradient": partial(formulas.momentum, lr=RATE, mu=mu, new_share=1 - mu),
                "they are those of Nesterov's momentum": partial(formulas.nesterov, lr=RATE, mu=mu),
            },
        )  # fmt: skip


@number("3.1.12")
@weight(1.5)
@visibility("after_published")
def test_adagrad_steps(submission, probes):
    """AdaGrad divides by the root of the sum of all squared gradients so far"""
    rules = [partial(formulas.adagrad, lr=RATE, eps_inside=inside) for inside in (False, True)]
    looks = {
        "only the newest squared gradient takes part": partial(formulas.adagrad, lr=RATE, keeps=0.0),
        "the root of the sum of squares is missing": partial(formulas.adagrad, lr=RATE, root=False),
    }
    follow(submission, probes, "adagrad", {"lr": RATE}, rules, looks=looks)


@number("3.1.13")
@weight(1.5)
@visibility("after_published")
def test_adam_steps(submission, probes):
    """Adam follows both moments, with their bias corrected"""
    looks = {
        "the bias of the moments is not corrected": partial(formulas.adam, lr=RATE, corrects=False),
        "the two betas have changed places": partial(formulas.adam, lr=RATE, betas=(0.999, 0.9)),
        "the second moment is not one of squares": partial(formulas.adam, lr=RATE, squares=False),
    }
    follow(submission, probes, "adam", {"lr": RATE}, [partial(formulas.adam, lr=RATE)], looks=looks)


@number("3.1.14")
@weight(1)
@visibility("after_published")
def test_hyperparameters(submission, probes):
    """The other hyperparameters of AdaGrad and Adam are handed on"""
    eps = 0.1
    for inside in ({"eps": eps}, {"lr_decay": 0.5}):
        decay = inside.get("lr_decay", 0.0)
        rules = [
            partial(formulas.adagrad, lr=RATE, eps=inside.get("eps", 1e-10), decay=decay, eps_inside=form,
                    decays_at_once=at_once)
            for form in (False, True)
            for at_once in (False, True)
        ]  # fmt: skip
        follow(submission, probes, "adagrad", {"lr": RATE, **inside}, rules)
    betas = (0.7, 0.8)
    rules = [partial(formulas.adam, lr=RATE, betas=betas, eps=eps, eps_of_raw=raw) for raw in (False, True)]
    looks = {"the two betas have changed places": partial(formulas.adam, lr=RATE, betas=betas[::-1], eps=eps)}
    follow(submission, probes, "adam", {"lr": RATE, "betas": betas, "eps": eps}, rules, looks=looks)


@number("3.1.15")
@weight(2)
@visibility("after_published")
def test_learns(submission, probes, show):
    """train() learns digits with each of the four optimizers"""
    network = find_plain(probes, show)
    digits = load_digits(probes)
    end = EXAMPLES + VALIDATED
    training = make_loader(probes, digits.train[:EXAMPLES], digits.train_labels[:EXAMPLES], BATCH)
    validation = make_loader(probes, digits.train[EXAMPLES:end], digits.train_labels[EXAMPLES:end], VALIDATED)
    task = small_task(probes, network)
    curves = {}
    for name in NAMES:
        for epochs, hyperparameters in ((EPOCHS[0], {}), (EPOCHS[1], {}), (EPOCHS[0], SUGGESTED[name])):
            model = probes.run("training", "copy_of", network.handle)
            optimizer = submission.make_optimizer(name, model.parameters(), **hyperparameters)
            costs, _ = task.curves_of(submission.train(model, optimizer, training, validation, epochs), epochs=epochs)
            curves[name] = costs
            if costs[-1] < FALLEN * costs[0]:
                break
        else:
            fail(
                f"with {name} the training cost went from {costs[0]:.4f} to {costs[-1]:.4f} in {epochs} epochs",
                called=TRAIN,
                expected=f"less than {FALLEN:.0%} of the cost of the first epoch",
            )
    show.figure("Training cost", lambda: pictures.curves(curves, "epoch", "cost"), "of each optimizer, by epoch")
