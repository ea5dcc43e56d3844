"""3.1.6: the training run, on a small data set."""

from gradescope_utils.autograder_utils.decorators import number, tags, weight

from autograder.checks.compare import call, fail
from autograder.checks.runs import find_record, read_record

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


@number("3.1.6.1")
@weight(1)
@tags("public")
def test_writes_its_record(submission, probes):
    """main with the handout's flags runs to its end and writes MLP_lr0.01_b5.json"""
    called = run_main(submission, probes, num_epoch=1, check_gradient=True, check_magnitude=True)
    _, name = record_of(probes, called)
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
        fail(
            f"the training accuracy goes from {curve[0]:.2f} to {curve[-1]:.2f} in {len(curve)} epochs",
            called=called,
            expected="a curve that grows",
        )
    if curve[-1] < LEAST_ACCURACY:
        fail(
            f"the training accuracy is {curve[-1]:.2f} after {len(curve)} epochs",
            called=called,
            expected=f"more than {LEAST_ACCURACY}: guessing gives 0.1",
        )
