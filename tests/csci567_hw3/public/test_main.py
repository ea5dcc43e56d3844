"""3.1.6: the training run, on a small data set."""

from gradescope_utils.autograder_utils.decorators import number, tags, weight

from autograder.checks.compare import CheckFailed, call, fail
from autograder.checks.runs import find_record, read_record
from autograder.sandbox.proxy import StandIn, StudentError

FILE = "MLP_lr0.01_b5.json"
EXAMPLES = 200
EPOCHS = 3
# Guessing one of ten classes is right one time in ten; three epochs bring every right network far above this.
LEAST_ACCURACY = 0.45
GOOD_ACCURACY = 0.9


def run_main(submission, probes, **settings):
    """Run main on a few hundred pictures with the handout's settings; the name of its file, and what was called."""
    given = probes.module("utils")
    given.TRAIN_EXAMPLES, given.VALIDATION_EXAMPLES = EXAMPLES, EXAMPLES // 5
    main_params = {
        "random_seed": 42,
        "data_dir": probes.data_folder + "/fashion_mnist",
        "learning_rate": 0.01,
        "num_epoch": EPOCHS,
        "minibatch_size": 5,
        "early_stopping_patience": EPOCHS,
        "check_gradient": False,
        "check_magnitude": False,
        **settings,
    }
    call(submission, "main", main_params, name="")
    flags = " ".join(f"--{name}" for name, value in settings.items() if value is True)
    return f"python neural_networks.py --minibatch_size 5 {flags}".strip()


def record_of(probes, called):
    """The record that main wrote, and its name."""
    name = find_record(probes.files(), FILE, called=called)
    return read_record(probes.read_file(name), name, called=called), name


def ends_one_epoch_early(submission, probes):
    """Whether another run records one epoch less than it is asked for."""
    called = run_main(submission, probes, num_epoch=EPOCHS)
    try:
        record, _ = record_of(probes, called)
    except CheckFailed:
        return False
    return len(record["train"]) == EPOCHS - 1


def link_left_out(submission, probes):
    """The cause, where main never calls miniBatchGradientDescent, or never backward_pass, but the other one.

    Both are replaced by functions that do nothing else than note the call: this says nothing about how they are used.
    """
    called = set()
    for function, returns_model in (("backward_pass", False), ("miniBatchGradientDescent", True)):

        def note(fields, *arguments, function=function, returns_model=returns_model):
            called.add(function)
            return arguments[0] if returns_model and arguments else None

        setattr(submission, function, StandIn(function, {}, {"__call__": note}))
    try:
        run_main(submission, probes, num_epoch=1)
    except StudentError:
        return None
    if len(called) != 1:
        return None
    return "no_backward" if "miniBatchGradientDescent" in called else "no_step"


def fail_to_learn(submission, probes, record, message, called, expected):
    """Fails for a network that does not learn; where it stays just as it was, with the reason if it shows."""
    stays = len(set(record["train"])) == len(set(record["val"])) == 1
    fail(message, called=called, expected=expected, cause=link_left_out(submission, probes) if stays else None)


@number("3.1.6.1")
@weight(1)
@tags("public")
def test_writes_its_record(submission, probes):
    """main with the handout's flags runs to its end and writes MLP_lr0.01_b5.json"""
    called = run_main(submission, probes, num_epoch=1, check_gradient=True, check_magnitude=True)
    try:
        _, name = record_of(probes, called)
    except CheckFailed as failure:
        if "is empty" in failure.explanation.got and ends_one_epoch_early(submission, probes):
            fail(failure.explanation.got, called=called, expected="one accuracy per epoch", cause="off_by_one")
        raise
    if name != FILE:
        fail(f"main wrote {name}", called=called, expected=f"the file {FILE}")


@number("3.1.6.2")
@weight(1)
@tags("public")
def test_learns(submission, probes):
    """The training accuracy grows with the epochs"""
    called = run_main(submission, probes)
    record, _ = record_of(probes, called)
    curve = record["train"]
    # Some fluctuation is fine, and a curve that starts at the top cannot grow.
    if len(curve) > 1 and max(curve[1:]) <= curve[0] < GOOD_ACCURACY:
        message = f"the training accuracy goes from {curve[0]:.2f} to {curve[-1]:.2f} in {len(curve)} epochs"
        fail_to_learn(submission, probes, record, message, called, "a curve that grows")
    if curve[-1] < LEAST_ACCURACY:
        message = f"the training accuracy is {curve[-1]:.2f} after {len(curve)} epochs"
        fail_to_learn(submission, probes, record, message, called, f"more than {LEAST_ACCURACY}: guessing gives 0.1")
