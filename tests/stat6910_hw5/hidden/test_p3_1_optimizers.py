"""3.1: the four rules step by step against their formulas, and trainings with each."""

from functools import partial

from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks import pictures
from autograder.checks.compare import fail
from autograder.checks.training import make_loader

from ..public.common import find_plain, load_digits
from ..public.optimizers import NAMES, SEEDS, Look, accepted, assert_follows, by_entry, described, moves, varying
from ..public.training import TRAIN, small_task
from . import formulas

RATE, EPS = 0.04, 0.1
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


OTHERS = {
    "adagrad": ("those of AdaGrad", partial(formulas.adagrad, lr=RATE)),
    "adam": ("those of Adam", partial(formulas.adam, lr=RATE)),
    "rmsprop": ("those of RMSprop, which forgets old squares", partial(formulas.rmsprop, lr=RATE)),
}
"""The rules themselves, in case that one stands for another."""


def scaled(rule, factor):
    """The rule with every step that many times as long."""
    return lambda gradients: [factor * change for change in rule(gradients)]


def follow(submission, probes, name, wanted, rules, looks=()):
    """The student's steps are those of one of the rules, on several sets of parameters and gradients.

    looks: (cause, sentence, rule) of what a usual mistake does.
    """
    hyperparameters = accepted(probes, submission, name, wanted)
    looks = [*looks, *(("wrong_rule", sentence, rule) for other, (sentence, rule) in OTHERS.items() if other != name)]
    for seed in SEEDS:
        task = varying(seed)
        assert_follows(
            moves(probes, submission, name, task, hyperparameters),
            [by_entry(rule, task) for rule in rules],
            described(name, hyperparameters),
            alternatives={
                "ascends": [by_entry(scaled(rules[0], -1), task)],
                "learning_rate_twice": [by_entry(scaled(rules[0], RATE), task)],
            },
            looks=[Look(cause, sentence, by_entry(rule, task)) for cause, sentence, rule in looks],
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
        rule = partial(formulas.momentum, lr=RATE, mu=mu)
        follow(
            submission, probes, "momentum", {"lr": RATE, "momentum": mu}, [rule],
            looks=[
                ("wrong_rule", "they are those of a dampened gradient", partial(rule, new_share=1 - mu)),
                ("wrong_rule", "they are those of Nesterov's momentum", partial(formulas.nesterov, lr=RATE, mu=mu)),
                ("hyperparameter_ignored", "they are those of standard SGD, without a velocity", partial(rule, mu=0.0)),
                ("hyperparameter_ignored", "they are those of mu = 0.9, whatever is asked for", partial(rule, mu=0.9)),
            ],
        )  # fmt: skip


@number("3.1.12")
@weight(1.5)
@visibility("after_published")
def test_adagrad_steps(submission, probes):
    """AdaGrad divides by the root of the sum of all squared gradients so far"""
    rules = [partial(formulas.adagrad, lr=RATE, eps_inside=inside) for inside in (False, True)]
    looks = [
        ("forgets_history", "only the newest squared gradient takes part", partial(rules[0], keeps=0.0)),
        ("missing_root", "the root of the sum of squares is missing", partial(rules[0], root=False)),
        ("wrong_rule", "old squares fade away, as in RMSprop", partial(formulas.rmsprop, lr=RATE, alpha=0.9)),
    ]
    follow(submission, probes, "adagrad", {"lr": RATE}, rules, looks=looks)


@number("3.1.13")
@weight(1.5)
@visibility("after_published")
def test_adam_steps(submission, probes):
    """Adam follows both moments, with their bias corrected"""
    rule = partial(formulas.adam, lr=RATE)
    looks = [
        ("no_bias_correction", "the bias of the moments is not corrected", partial(rule, corrects=(False, False))),
        ("no_bias_correction", "the bias of the second moment is not corrected", partial(rule, corrects=(True, False))),
        ("no_bias_correction", "the bias of the first moment is not corrected", partial(rule, corrects=(False, True))),
        ("off_by_one", "the bias is corrected as in the step after", partial(rule, counts_from=2)),
        ("wrong_order", "the two betas have changed places", partial(rule, betas=(0.999, 0.9))),
        ("missing_square", "the second moment is one of sizes and not of squares", partial(rule, power=1)),
        ("missing_root", "the root of the second moment is missing", partial(rule, root=False)),
    ]
    follow(submission, probes, "adam", {"lr": RATE}, [rule], looks=looks)


@number("3.1.14")
@weight(1)
@visibility("after_published")
def test_hyperparameters(submission, probes):
    """The other hyperparameters of AdaGrad and Adam are handed on"""
    for inside in ({"eps": EPS}, {"lr_decay": 0.5}):
        decay = inside.get("lr_decay", 0.0)
        rules = [
            partial(formulas.adagrad, lr=RATE, eps=inside.get("eps", 1e-10), decay=decay, eps_inside=form,
                    decays_at_once=at_once)
            for form in (False, True)
            for at_once in (False, True)
        ]  # fmt: skip
        ignored = ("hyperparameter_ignored", f"{next(iter(inside))} has no effect", partial(formulas.adagrad, lr=RATE))
        follow(submission, probes, "adagrad", {"lr": RATE, **inside}, rules, looks=[ignored])
    betas = (0.7, 0.8)
    rule = partial(formulas.adam, lr=RATE, betas=betas, eps=EPS)
    looks = [
        ("wrong_order", "the two betas have changed places", partial(rule, betas=betas[::-1])),
        ("wrong_epsilon", "eps stands inside the root", partial(rule, eps_inside=True)),
        ("hyperparameter_ignored", "eps has no effect", partial(rule, eps=1e-8)),
        ("hyperparameter_ignored", "the betas have no effect", partial(rule, betas=(0.9, 0.999))),
    ]
    follow(submission, probes, "adam", {"lr": RATE, "betas": betas, "eps": EPS}, [rule, partial(rule, eps_of_raw=True)],
           looks=looks)  # fmt: skip


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
