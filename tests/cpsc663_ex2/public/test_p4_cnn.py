"""P4: the network of the skeleton, its training, the filters and the confusion matrix."""

from gradescope_utils.autograder_utils.decorators import number, tags, weight

from autograder.checks import pictures
from autograder.checks.architecture import assert_layers, expect
from autograder.checks.networks import assert_works_as_it_is

from .cnn import assert_filters, confusion_of, require_own_work, watch_test, watch_train
from .common import CNN_FILE, find_cnn, load_digits
from .judging import assert_mode, assert_steps, assert_trains_on_training_split

WHERE = "prob4_CNN.py, the network of the skeleton"
RUN = "python prob4_CNN.py"
LAYERS = [
    expect("convolution", "conv1: 1 to 40 channels, kernel 5", out_channels=40, kernel=5, stride=1, padding=0),
    expect("relu", "ReLU"),
    expect("max_pool", "max-pooling of 2 x 2", kernel=2, stride=2),
    expect("convolution", "conv2: 40 to 80 channels, kernel 5", out_channels=80, kernel=5, stride=1, padding=0),
    expect("relu", "ReLU"),
    expect("max_pool", "max-pooling of 2 x 2", kernel=2, stride=2),
    expect("linear", "fc1: 1280 to 500", out_features=500),
    expect("relu", "ReLU"),
    expect("linear", "fc2: 500 to 10", out_features=10),
    expect("log_softmax", "log-softmax over the ten classes", dim=1),
]


@number("P4.1")
@weight(2)
@tags("public")
def test_layers(submission, probes, show):
    """The network is the one of the skeleton"""
    network = find_cnn(probes, show)
    require_own_work(probes)
    assert_works_as_it_is(network)
    assert_layers(network.trace().layers(), LAYERS, where=WHERE, called=network.made)


@number("P4.2")
@weight(1)
@tags("public")
def test_train(submission, probes, watched, show):
    """train() takes a step down the loss for every batch, with fresh gradients"""
    network = find_cnn(probes, show)
    require_own_work(probes)
    called, records = watch_train(submission, probes, network, watched)
    assert_steps(records, called)
    assert_mode(records, True, called)


@number("P4.3")
@weight(1)
@tags("public")
def test_test(submission, probes, watched, show):
    """test() changes nothing, and puts the network into evaluation mode"""
    network = find_cnn(probes, show)
    require_own_work(probes)
    called, records = watch_test(submission, probes, network, watched)
    assert_mode(records, False, called)


@number("P4.4")
@weight(6)
@tags("public")
def test_filters(submission, probes, watched, show):
    """Running the file leaves a picture of the forty filters of the first convolution"""
    run = watched.of(probes, CNN_FILE)
    filters = assert_filters(run.records, called=RUN)
    if filters is not None:
        show.figure(
            "Your filters",
            lambda: pictures.image_grid(filters, columns=8),
            "the forty filters of the first convolution, each from its smallest entry (black) to its largest (white)",
        )


@number("P4.5")
@weight(5)
@tags("public")
def test_confusion_matrix(submission, probes, watched, show):
    """Running the file counts on the whole test split, never trained on, which class is taken for which"""
    run, digits = watched.of(probes, CNN_FILE), load_digits(probes)
    matrix = confusion_of(run, digits.test_labels, called=RUN)
    assert_trains_on_training_split(run.records, digits.gallery(), called=RUN)
    show.figure(
        "Your confusion matrix",
        lambda: pictures.confusion_matrix(matrix, [str(digit) for digit in range(10)]),
        "true classes in rows, predicted ones in columns, after a shortened training",
    )
