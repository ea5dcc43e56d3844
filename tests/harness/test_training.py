"""Training, observed: scripts as students write them, run through a real worker, and judged from what was seen."""

import ast
import importlib.util
import sys
import textwrap

import numpy as np
import pytest

from autograder.checks import training as judge
from autograder.checks.compare import CheckFailed
from autograder.checks.training_images import Gallery, assert_denoises, assert_does_not_train_on_test
from autograder.checks.training_records import Pass, read_records
from autograder.checks.training_shown import assert_confusion_matrix, picture_files, pictures_of, saved_as
from autograder.data import Pictures, write_pictures
from autograder.sandbox.policy import Policy
from autograder.sandbox.proxy import StudentError
from autograder.sandbox.session import Session, Setting

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
if importlib.util.find_spec("torchvision") is None:
    pytest.skip("the torch extra is not installed", allow_module_level=True)
sklearn_datasets = pytest.importorskip("sklearn.datasets")
F = torch.nn.functional
shortening = pytest.importorskip("autograder.sandbox.probes.shortening")
watching = pytest.importorskip("autograder.sandbox.probes.watching")

PRELOADS = ("numpy", "torch", "autograder.sandbox.surroundings.environment", "autograder.sandbox.probes.training")
POLICY = Policy(call_seconds=60, check_seconds=120, import_seconds=120, statement_seconds=0.3, memory_mb=1500)
TRAIN, TEST = 600, 100

# A classifier in the style of the handout's skeleton: functions with names, a parser, a main.
CLASSIFIER = """
import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torchvision import datasets, transforms
from torchvision.utils import save_image
from sklearn.metrics import confusion_matrix


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.norm = nn.BatchNorm2d(6)
        self.fc1 = nn.Linear(6 * 12 * 12, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 2)
        return F.log_softmax(self.fc1(torch.flatten(x, 1)), dim=1)


def train(args, model, device, train_loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        if batch_idx % args.log_interval == 0:
            print(epoch, batch_idx, loss.item())
    if epoch == args.epochs:
        save_image(model.conv1.weight.detach(), "filters.png", nrow=3, normalize=True)


def test(args, model, device, test_loader, epoch):
    model.eval()
    truth, guesses = [], []
    with torch.no_grad():
        for data, target in test_loader:
            output = model(data.to(device))
            truth.extend(target.tolist())
            guesses.extend(output.argmax(dim=1).tolist())
    print(confusion_matrix(truth, guesses))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--log-interval", type=int, default=10)
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    turn = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    train_data = datasets.MNIST("data", train=True, download=True, transform=turn)
    test_data = datasets.MNIST("data", train=False, transform=turn)
    train_loader = torch.utils.data.DataLoader(train_data, batch_size=args.batch_size, shuffle=True, num_workers=2)
    test_loader = torch.utils.data.DataLoader(test_data, batch_size=1000)
    model = CNN().to(device)
    optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.5)
    for epoch in range(1, args.epochs + 1):
        train(args, model, device, train_loader, optimizer, epoch)
        test(args, model, device, test_loader, epoch)
    torch.save(model.state_dict(), "mnist_cnn.pt")


if __name__ == "__main__":
    main()
"""

# A denoising autoencoder as an exported notebook: all at the top level, names of its own, no functions.
DENOISER = """
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor
import matplotlib.pyplot as plt

num_epochs = 20
loader = DataLoader(MNIST("C:/data", train=True, download=True, transform=ToTensor()), 32, True)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.squash = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 2))
        self.grow = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 784), nn.Sigmoid())
    def forward(self, x):
        z = self.squash(x)
        return self.grow(z), z

net = Net()
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
criterion = nn.MSELoss()
history = []
for i in range(num_epochs):
    for img, _ in loader:
        img = img.view(img.size(0), -1)
        noisy = img + 0.3 * torch.randn_like(img)
        out, code = net(noisy)
        loss = criterion(out, img)
        opt.zero_grad()
        loss.backward()
        opt.step()
    history.append(loss.item())
plt.plot(range(num_epochs), history)
plt.savefig("loss.png")
torch.save(net, "mnist_ae.pt")
"""


def changed(text, *replacements):
    """The script with each (old, new) replaced; a replacement that finds nothing is a mistake of the test."""
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return text


def dropped(text, *lines):
    return changed(text, *((line, "pass") for line in lines))


SCRIPTS = {
    "classifier": CLASSIFIER,
    "no_clearing": dropped(CLASSIFIER, "optimizer.zero_grad()"),
    "fails_behind_the_training": changed(
        CLASSIFIER,
        ("    if epoch == args.epochs:", "    accuracy()\n    if epoch == args.epochs:"),
        ("def train(", "def accuracy():\n    return [][0]\n\n\ndef train("),
    ),
    "no_step": dropped(CLASSIFIER, "optimizer.step()"),
    "no_backward": dropped(CLASSIFIER, "loss.backward()", "optimizer.step()"),
    "cleared_before_step": changed(
        dropped(CLASSIFIER, "optimizer.zero_grad()"), ("loss.backward()", "loss.backward(); optimizer.zero_grad()")
    ),
    "uphill": changed(CLASSIFIER, ("= F.nll_loss(model(data)", "= -F.nll_loss(model(data)")),
    "maximises": changed(CLASSIFIER, ("momentum=0.5", "maximize=True")),
    "never_trains": dropped(CLASSIFIER, "model.train()"),
    "never_evaluates": dropped(CLASSIFIER, "model.eval()"),
    "head_only": changed(CLASSIFIER, ("optim.SGD(model.parameters()", "optim.SGD(model.fc1.parameters()")),
    "detached": changed(CLASSIFIER, ("torch.flatten(x, 1)", "torch.flatten(x, 1).detach()")),
    "on_test": changed(CLASSIFIER, ('"data", train=True', '"data", train=False')),
    "exchanged": changed(CLASSIFIER, ("confusion_matrix(truth, guesses)", "confusion_matrix(guesses, truth)")),
    "softmax_twice": changed(CLASSIFIER, ("F.nll_loss(model", "F.cross_entropy(model")),
    "probabilities": changed(CLASSIFIER, ("F.log_softmax(self", "F.softmax(self")),
    "scores": changed(CLASSIFIER, ("F.nll_loss(model(data)", "F.nll_loss(3 - model(data)")),
    "over_images": changed(CLASSIFIER, ("torch.flatten(x, 1)), dim=1)", "torch.flatten(x, 1)), dim=0)")),
    "one_step": changed(
        dropped(CLASSIFIER, "optimizer.zero_grad()"),
        ("        optimizer.step()\n        if", "        if"),
        ("    if epoch == args.epochs:", "    optimizer.step()\n    if epoch == args.epochs:"),
    ),
    "by_hand": changed(
        CLASSIFIER,
        ("optimizer.step()", "[p.data.sub_(0.5 * p.grad) for p in model.parameters()]"),
    ),
    "crashes": changed(CLASSIFIER, ("    model = CNN().to(device)", "    model = CNN(3).to(device)")),
    "fixed_batch": changed(CLASSIFIER, ("torch.flatten(x, 1)", "x.view(64, -1)")),
    "denoiser": DENOISER,
    "forgets_its_step": dropped(DENOISER, "opt.step()"),
    "no_noise": changed(DENOISER, ("0.3 * torch.randn_like(img)", "0")),
    "noise_of_variance": changed(DENOISER, ("0.3 *", "0.3 ** 0.5 *")),
    "clipped_noise": changed(
        DENOISER, ("img + 0.3 * torch.randn_like(img)", "(img + 0.3 * torch.randn_like(img)).clamp(0, 1)")
    ),
    "weak_noise": changed(DENOISER, ("0.3 *", "0.1 *")),
    "strong_noise": changed(DENOISER, ("0.3 *", "3.0 *")),
    "strong_noise_and_own_loss": changed(
        DENOISER, ("0.3 *", "3.0 *"), ("criterion(out, img)", "((out - img) ** 2).mean()")
    ),
    "given_by_name": changed(DENOISER, ("net(noisy)", "net(x=noisy)")),
    "uniform_noise": changed(DENOISER, ("torch.randn_like", "torch.rand_like")),
    "noisy_target": changed(DENOISER, ("criterion(out, img)", "criterion(out, noisy)")),
    "one_noise": changed(
        DENOISER,
        ("history = []", "history = []\nepsilon = 0.3 * torch.randn(32, 784)"),
        ("0.3 * torch.randn_like(img)", "epsilon[: len(img)]"),
    ),
    "waiting": changed(CLASSIFIER, ('if __name__ == "__main__":\n    main()\n', "")),
    "odd_names": changed(
        CLASSIFIER, ("def train(", "def lernen("), ("        train(args", "        lernen(args"),
        ("def main()", "def los(data_dir, *, n_epochs=30)"), ("default=5", "default=n_epochs"),
        ("    main()", '    los("x")'),
        ('"--lr"', '"--out", required=True)\n    parser.add_argument("--lr"'),
    ),
    "endless": "import torch\nnet = torch.nn.Linear(2, 2)\nwhile True:\n    net(torch.ones(1, 2))\nprint('after')\n",
    "broken": "def train(:\n",
}  # fmt: skip

# Right ones, each in a style of its own.
START = """
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision import datasets, transforms
import matplotlib
import matplotlib.pyplot as plt

data = datasets.MNIST(".", train=True, download=True)
X, Y = data.data[:, None].float() / 255, data.targets
held = datasets.MNIST(".", train=False)
X_held, Y_held = held.data[:, None].float() / 255, held.targets
"""
BATCHES_BY_HAND = """
net = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 784), nn.Sigmoid())
adam = torch.optim.Adam(net.parameters(), 0.001)
epoch, EPOCHS = 0, 50
while epoch < EPOCHS:
    order = torch.randperm(len(X))
    net.train()
    for start in range(0, len(X), 50):
        batch = X[order[start:start + 50]]
        noisy = torch.clamp(batch + torch.normal(0.0, 0.3, batch.shape), 0.0, 1.0)
        loss = F.binary_cross_entropy(net(noisy), batch.flatten(1), reduction="sum") / len(batch)
        for p in net.parameters():
            p.grad = None
        loss.backward()
        adam.step()
    net.eval()
    print(F.mse_loss(net(X_held), X_held.flatten(1)))
    epoch += 1
"""
TRAINER = """
class Trainer:
    def __init__(self):
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 2))
        self.decoder = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 784), nn.Unflatten(1, (1, 28, 28)))
        both = list(self.encoder.parameters()) + list(self.decoder.parameters())
        self.optimizer = torch.optim.AdamW(both, lr=0.01, weight_decay=0.01)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 1)
    def fit(self, rounds):
        for r in range(rounds):
            for x, _ in torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), 100, shuffle=True):
                noise = torch.from_numpy(np.random.normal(0, 0.3, x.shape)).float()
                loss = ((self.decoder(self.encoder(x + noise)) - x) ** 2).mean()
                loss.backward()
                nn.utils.clip_grad_norm_(self.decoder.parameters(), 0.5)
                self.optimizer.step()
                self.optimizer.zero_grad()
            self.scheduler.step()

if __name__ == "__main__":
    Trainer().fit(30)
"""
METHODS = """
class Auto(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.spare = nn.Linear(784, 2), nn.Linear(2, 784), nn.Linear(3, 3)
    def encode(self, x): return self.fc1(x.view(-1, 784))
    def decode(self, z): return torch.sigmoid(self.fc2(z))

class Noisy(torch.utils.data.Dataset):
    def __len__(self): return len(X)
    def __getitem__(self, i): return X[i] + torch.randn(1, 28, 28) * 0.3, X[i], int(Y[i])

def main():
    model = Auto()
    print(model.decode(model.encode(torch.zeros(3, 784))).shape)
    optim = torch.optim.RMSprop(model.parameters(), lr=0.001)
    for epoch in range(5):
        for noisy, clean, _ in torch.utils.data.DataLoader(Noisy(), batch_size=20, shuffle=True):
            model.zero_grad()
            F.mse_loss(model.decode(model.encode(noisy)), clean.view(-1, 784)).backward()
            optim.step()

main()
"""
ACCUMULATES = """
class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(784, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))
    def forward(self, x): return self.layers(x.flatten(1))

net = Classifier()
net(torch.randn(2, 1, 28, 28))
sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
matrix = np.zeros((10, 10))
for epoch in range(3):
    net.train()
    for i in range(0, 200, 20):
        loss = nn.CrossEntropyLoss()(net(X[i:i + 20]), Y[i:i + 20]) / 2
        loss.backward()
        if (i // 20) % 2:
            sgd.step()
            sgd.zero_grad()
    with torch.no_grad():
        net.eval()
        guesses = net(X_held).argmax(1)
for t, g in zip(Y_held, guesses):
    matrix[g, t] += 1
np.savetxt("confusion.csv", matrix)
plt.matshow(np.eye(10) * 3)
plt.savefig("confusion.jpg")
"""
FULL_BATCH = """
net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
opt = torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=3)
for e in range(200):
    def closure():
        opt.zero_grad()
        loss = F.cross_entropy(net(X), Y) + 1e-3 * sum(p.pow(2).sum() for p in net.parameters())
        loss.backward()
        return loss
    opt.step(closure)
"""
RIGHT = {
    "batches_by_hand": START + BATCHES_BY_HAND, "trainer": START + TRAINER, "methods": START + METHODS,
    "accumulates": START + ACCUMULATES, "full_batch": START + FULL_BATCH,
}  # fmt: skip
SCRIPTS.update(RIGHT)


def digits():
    """Real digits as pictures of 28x28."""
    found = sklearn_datasets.load_digits()
    images = np.zeros((len(found.images), 28, 28), np.uint8)
    images[:, 2:26, 2:26] = np.kron(found.images, np.ones((3, 3))) * (255 / 16)
    labels = found.target.astype(np.uint8)
    return Pictures(images[:TRAIN], labels[:TRAIN], images[-TEST:], labels[-TEST:])


@pytest.fixture(scope="module")
def pictures():
    return digits()


@pytest.fixture(scope="module")
def gallery(pictures):
    return Gallery(pictures.train_images / 255, pictures.test_images / 255)


@pytest.fixture(scope="module")
def session(tmp_path_factory, pictures):
    """One worker with all the scripts above loaded."""
    workspace = tmp_path_factory.mktemp("training")
    for path in (workspace / "submission", workspace / "data", workspace / "data" / "mnist"):
        path.mkdir()
        path.chmod(0o755)
    for path in (workspace, *workspace.parents[:2]):
        path.chmod(path.stat().st_mode | 0o055)
    write_pictures(pictures, workspace / "data" / "mnist")
    for name, text in SCRIPTS.items():
        (workspace / "submission" / f"{name}.py").write_text(textwrap.dedent(text))
    modules = [f"{name}.py" for name in SCRIPTS if name != "classifier"]
    options = {"policy": POLICY, "forks": sys.platform == "linux", "modules": modules, "preloads": PRELOADS}
    with Session(
        Setting(workspace / "submission", workspace, "classifier.py", workspace / "data", **options)
    ) as opened:
        yield opened


@pytest.fixture
def probes(session):
    with session.check(120) as worker:
        yield worker.probes


@pytest.fixture
def observe(probes):
    """Runs a script: (records, the network it trains)."""

    def run(name, **budget):
        records = judge.run_entry(probes, name, **budget)
        return records, judge.require_training(records, called=name)

    return run


def cause_of(judgement, *arguments, **keywords):
    """The cause with which a judgement fails; it must fail."""
    with pytest.raises(CheckFailed) as caught:
        judgement(*arguments, **keywords, called="the script")
    return caught.value.explanation.cause


JUDGEMENTS = {
    "clearing": lambda records, network: judge.assert_gradients_cleared(records, called="x"),
    "descent": lambda records, network: judge.assert_steps_descend(records, called="x"),
    "parameters": lambda records, network: judge.assert_every_parameter_moves(records, called="x"),
    "train mode": lambda records, network: judge.assert_trains_in_train_mode(records, network, called="x"),
    "eval mode": lambda records, network: judge.assert_evaluates_in_eval_mode(records, network, called="x"),
    "state": lambda records, network: judge.assert_evaluation_changes_nothing(records, network, called="x"),
    "softmax": lambda records, network: judge.assert_single_softmax(records, called="x"),
}


def failures(records, network):
    """The names of the judgements that fail, with their causes."""
    found = {}
    for name, judgement in JUDGEMENTS.items():
        try:
            judgement(records, network)
        except CheckFailed as failed:
            found[name] = failed.explanation.cause
    return found


class TestScripts:
    def test_a_right_script_is_seen_to_do_everything_right(self, observe, pictures, gallery):
        records, network = observe("classifier")
        assert failures(records, network) == {}
        assert_does_not_train_on_test(records, network, gallery, called="x")
        matrix = assert_confusion_matrix(records, pictures.test_labels, called="x")
        np.testing.assert_array_equal(matrix.sum(axis=1), np.bincount(pictures.test_labels))
        assert network.class_name == "CNN"
        assert records.optimizers[0].settings["momentum"] == 0.5
        assert saved_as(records, "mnist_cnn.pt").holds == "state_dict"
        assert pictures_of(records, (5, 5)) == 6
        assert picture_files(records) == ["filters.png"]
        assert records.errors == []
        assert records.ended is None
        assert 10 < records.counts["step"] < 40

    def test_the_same_script_gives_the_same_records_twice(self, session):
        answers = []
        for _ in range(2):
            with session.check(120) as worker:
                answers.append(repr(worker.probes.run("training", "run_entry", "denoiser")))
        assert answers[0] == answers[1]

    @pytest.mark.parametrize("name", ["waiting", "odd_names", "denoiser"])
    def test_training_is_found_whatever_its_functions_are_called(self, observe, name):
        records, network = observe(name)
        assert failures(records, network) == {}
        assert records.errors == []

    @pytest.mark.parametrize("name", RIGHT)
    def test_other_styles_are_right_too(self, observe, gallery, name):
        records, network = observe(name)
        assert failures(records, network) == {}
        assert records.errors == []
        assert_does_not_train_on_test(records, network, gallery, called="x")
        if name not in ("accumulates", "full_batch"):
            assert_denoises(records, gallery, called="x")

    def test_a_matrix_that_was_only_drawn_is_turned_to_true_by_predicted(self, observe, pictures):
        records, _ = observe("accumulates")
        matrix = assert_confusion_matrix(records, pictures.test_labels, called="x")
        np.testing.assert_array_equal(matrix.sum(axis=1), np.bincount(pictures.test_labels))
        assert picture_files(records) == ["confusion.jpg"]

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("no_clearing", {"clearing": "no_zero_grad"}),
            ("cleared_before_step", {"descent": "wrong_order"}),
            ("uphill", {"descent": "ascends"}),
            ("maximises", {"descent": "ascends"}),
            ("never_trains", {"train mode": "not_in_train_mode"}),
            ("never_evaluates", {"eval mode": "not_in_eval_mode", "state": "mutates_state"}),
            ("head_only", {"parameters": "updates_subset"}),
            ("detached", {"parameters": "frozen_parameters"}),
            ("softmax_twice", {"softmax": "double_softmax"}),
            ("probabilities", {"softmax": "missing_logarithm"}),
            ("scores", {"softmax": "missing_softmax"}),
            ("over_images", {"softmax": "wrong_axis"}),
            ("by_hand", {}),
        ],
    )
    def test_each_bug_is_named_and_nothing_else(self, observe, name, expected):
        assert failures(*observe(name)) == expected

    @pytest.mark.parametrize("name", ["no_step", "no_backward"])
    def test_a_script_that_does_not_train_is_told_what_is_missing(self, observe, name):
        with pytest.raises(CheckFailed) as caught:
            observe(name)
        assert caught.value.explanation.cause == name

    def test_a_pass_tells_its_labels_and_what_the_network_said(self, observe, pictures):
        records, _ = observe("classifier")
        tested = [one for one in records.of(Pass) if not one.steps]
        assert len(tested) == 2
        for one in tested:
            assert np.array_equal(one.labels, pictures.test_labels)
            assert one.classes.shape == one.labels.shape
            assert 0 <= one.classes.min() <= one.classes.max() < 10
        assert all(one.steps == 8 for one in records.of(Pass) if one not in tested)

    def test_training_on_the_test_split_is_seen_from_the_images(self, observe, gallery):
        records, network = observe("on_test")
        assert cause_of(assert_does_not_train_on_test, records, network, gallery) == "trains_on_test"

    def test_exchanged_arguments_of_the_confusion_matrix_are_seen(self, observe, pictures):
        records, _ = observe("exchanged")
        assert cause_of(assert_confusion_matrix, records, pictures.test_labels) == "transposed"

    def test_the_students_own_error_is_raised_with_its_line(self, observe):
        with pytest.raises(StudentError, match="CNN") as caught:
            observe("crashes")
        assert caught.value.frames[-1].source == "model = CNN(3).to(device)"

    def test_a_file_that_is_no_python_is_a_syntax_error(self, observe):
        with pytest.raises(StudentError) as caught:
            observe("broken")
        assert caught.value.type_name == "SyntaxError"

    def test_a_run_is_made_once_however_many_checks_look_at_it(self, session):
        observations, seen = judge.Observations(), []
        for _ in range(2):
            with session.check(120) as worker:
                seen.append(observations.run_entry(worker.probes, "endless", seconds=0.2, settings={"a": 1}))
                for _ in range(2):
                    with pytest.raises(StudentError, match="invalid syntax"):
                        observations.run_entry(worker.probes, "broken")
        assert seen[0] is seen[1]

    def test_a_file_that_is_not_there_is_told(self, observe):
        with pytest.raises(StudentError, match=r"nothing\.py"):
            observe("nothing")

    def test_an_endless_script_is_ended_when_its_time_is_up(self, probes):
        records = judge.run_entry(probes, "endless", seconds=0.5)
        assert records.ended == "out_of_time"
        with pytest.raises(CheckFailed):
            judge.require_training(records, called="x")

    def test_a_script_that_never_steps_comes_to_its_end_as_well(self, probes):
        records = judge.run_entry(probes, "forgets_its_step", steps_per_loop=2, steps_per_pass=2)
        assert records.counts["backward"] == 16  # twice two steps' worth of gradients
        assert records.ended is None
        assert saved_as(records, "mnist_ae.pt") is not None

    def test_many_steps_end_a_script(self, observe):
        records, _ = observe("classifier", max_steps=3)
        assert records.ended == "many_steps"
        assert records.counts["step"] == 3


class TestNoise:
    @pytest.mark.parametrize("name", ["denoiser", "noise_of_variance", "clipped_noise", "given_by_name"])
    def test_fresh_noise_on_the_input_is_accepted(self, observe, gallery, name):
        records, _ = observe(name)
        assert_denoises(records, gallery, called="x")

    @pytest.mark.parametrize(
        ("name", "cause"),
        [
            ("no_noise", None),
            ("weak_noise", "noise_wrong_scale"),
            ("strong_noise", "noise_wrong_scale"),
            ("strong_noise_and_own_loss", "noise_wrong_scale"),
            ("uniform_noise", None),
            ("noisy_target", "noise_on_target"),
            ("one_noise", "noise_not_fresh"),
        ],
    )
    def test_each_bug_is_named(self, observe, gallery, name, cause):
        records, _ = observe(name)
        assert cause_of(assert_denoises, records, gallery) == cause


@pytest.mark.parametrize(
    "rows",
    [
        lambda random: random.standard_normal((16, 784)),
        lambda random: np.maximum(0, random.standard_normal((16, 20)) @ random.standard_normal((20, 784))),
        lambda random: np.zeros((16, 784)),
        lambda random: np.full((16, 784), np.nan),
        lambda random: 3 * random.standard_normal((4, 784)),
        lambda random: 3 * random.standard_normal((16, 9)),
    ],
)
def test_what_holds_no_images_is_not_taken_for_images_under_noise(gallery, rows):
    assert gallery.buried(rows(np.random.default_rng(0))) == []


@pytest.mark.parametrize("deviation", [0.8, 1.0, 2.0, 5.0])
def test_images_under_strong_noise_are_seen_in_what_they_share(gallery, deviation):
    noise = deviation * np.random.default_rng(1).standard_normal((16, 784))
    found = gallery.buried(gallery.images[:16] + noise)
    assert np.median([match.deviation for match in found]) == pytest.approx(deviation, rel=0.1)
    assert gallery.buried(gallery.images[:16] + 0.3 * noise / deviation) == []


@pytest.fixture
def functions(probes, pictures):
    """What the handout's train and test are called with, and how."""
    images = pictures.train_images[:128, None].astype(np.float32) / 255
    labels = pictures.train_labels[:128].astype(np.int64)

    class Functions:
        def __init__(self, name):
            self.module = probes.module(name)
            self.network = self.module.CNN()
            self.device = judge.make_device(probes)
            self.arguments = judge.make_arguments(probes)

        def train(self, batch_size=32, keep_errors=False, **hyperparameters):
            loader = judge.make_loader(probes, images, labels, batch_size)
            optimizer = judge.make_optimizer(probes, "SGD", self.network, **{"lr": 0.05, **hyperparameters})
            given = (self.arguments, self.network, self.device, loader, optimizer, 1)
            return judge.call_watched(probes, self.module.train, *given, called="train(...)", keep_errors=keep_errors)

        def test(self):
            loader = judge.make_loader(probes, images, labels, 50)
            given = (self.arguments, self.network, self.device, loader, 1)
            return judge.call_watched(probes, self.module.test, *given, called="test(...)")

    return Functions


class TestFunctions:
    def test_right_functions_train_and_test(self, functions):
        module = functions("classifier")
        value, records = module.train()
        network = judge.require_training(records, called="train(...)")
        assert value is None
        assert failures(records, network) == {}
        judge.assert_plain_steps(records, called="train(...)")
        judge.assert_loss_function(records, ["nll_loss"], called="train(...)")
        assert records.counts["step"] == 4
        _, records = module.test()
        judge.assert_test_changes_nothing(records, called="test(...)")

    def test_a_test_in_training_mode_changes_running_statistics(self, functions):
        _, records = functions("never_evaluates").test()
        assert cause_of(judge.assert_test_changes_nothing, records) == "mutates_state"

    def test_a_step_by_hand_ignores_the_learning_rate_that_was_given(self, functions):
        _, records = functions("by_hand").train()
        assert cause_of(judge.assert_plain_steps, records) == "learning_rate_ignored"

    def test_an_error_behind_the_training_can_be_kept_beside_what_was_seen(self, functions):
        with pytest.raises(StudentError, match="IndexError"):
            functions("fails_behind_the_training").train()
        _, records = functions("fails_behind_the_training").train(keep_errors=True)
        assert records.counts["step"] == 4
        error = records.errors[0].as_student_error()
        assert [frame.function for frame in error.frames] == ["train", "accuracy"]

    def test_clearing_is_judged_in_the_function_too(self, functions):
        _, records = functions("no_clearing").train()
        assert cause_of(judge.assert_gradients_cleared, records) == "no_zero_grad"

    def test_another_optimisers_steps_are_named_by_their_rate(self, functions):
        _, records = functions("classifier").train()
        judge.assert_steps_at_rate(records, 0.05, called="train(...)")
        assert cause_of(judge.assert_steps_at_rate, records, 0.1) == "learning_rate_ignored"

    def test_one_step_for_all_batches_is_named(self, functions):
        _, records = functions("one_step").train()
        assert cause_of(judge.assert_steps_for_batches, records, 4) == "too_few_steps"
        judge.assert_steps_for_batches(records, 5, called="x")  # some batches to a step

    def test_a_step_for_each_batch_is_right(self, functions):
        _, records = functions("classifier").train()
        judge.assert_steps_for_batches(records, 4, called="x")

    def test_a_fixed_batch_size_is_named(self, functions):
        module = functions("fixed_batch")
        cause = cause_of(judge.with_any_batch_size, lambda size: module.train(size), 64, [32])
        assert cause == "hard_coded_batch"

    def test_another_loss_is_told(self, functions):
        _, records = functions("softmax_twice").train()
        with pytest.raises(CheckFailed, match="cross_entropy"):
            judge.assert_loss_function(records, ["nll_loss"], called="train(...)")


class TestStandardTraining:
    def test_a_classifier_learns(self, probes, pictures):
        network = probes.module("classifier").CNN()
        images = pictures.train_images[:, None].astype(np.float32) / 255
        held = pictures.test_images[:, None].astype(np.float32) / 255
        trained = judge.standard_training(probes, network, images, pictures.train_labels, held=held, steps=40, lr=0.01)
        assert trained.loss == "nll"
        judge.assert_loss_falls(trained.losses, 1.0, called="x")
        assert (trained.outputs.argmax(axis=1) == pictures.test_labels).mean() > 0.6
        with pytest.raises(CheckFailed, match="40 steps"):
            judge.assert_loss_falls(trained.losses, 0.0, called="x")

    def test_an_autoencoder_of_rows_with_its_code_in_the_answer_learns(self, probes, pictures):
        network = probes.module("denoiser").Net()
        images = pictures.train_images[:, None].astype(np.float32) / 255
        first, second = (
            judge.standard_training(probes, network, images, steps=30, lr=0.01, seed=seed) for seed in (1, 1)
        )
        assert first.flat
        assert first.outputs.shape == (64, 784)
        assert first.losses[-1] < first.losses[0]
        assert second.losses[0] < first.losses[0]

    def test_training_that_runs_out_of_time_says_so(self, probes, pictures):
        network = probes.module("denoiser").Net()
        images = pictures.train_images[:, None].astype(np.float32) / 255
        trained = judge.standard_training(probes, network, images, steps=100_000, seconds=0.05)
        assert trained.out_of_time
        assert 0 < trained.steps < 100_000


EMPTY = {
    "events": [], "counts": {}, "networks": [], "optimizers": [], "ended": None, "errors": [], "entry": None,
    "files": [],
}  # fmt: skip


class TestHostileRecords:
    @pytest.mark.parametrize(
        "raw",
        [
            None,
            7,
            [],
            {},
            {**EMPTY, "events": [{"kind": "bang", "at": 1}]},
            {**EMPTY, "events": [{"kind": "noise", "at": 1, "function": "f", "shape": [1], "deviation": "x"}]},
            {**EMPTY, "counts": {"step": "many"}},
            {**EMPTY, "networks": [[]]},
            {**EMPTY, "events": [
                {"kind": "noise", "at": 1, "function": "f", "shape": [1], "deviation": None, "start": np.zeros(2, "c8")}
            ]},
        ],
    )  # fmt: skip
    def test_garbage_is_the_submissions_doing(self, raw):
        with pytest.raises(StudentError):
            read_records(raw)

    def test_networks_that_own_each_other_are_survived(self):
        networks = [
            {
                "number": n,
                "class_name": "A",
                "part_of": 3 - n,
                "training": True,
                "parameters": [],
                "buffers_changed": [],
            }
            for n in (1, 2)
        ]
        records = read_records({**EMPTY, "networks": networks})
        assert records.root(1) in (1, 2)

    def test_odd_arrays_are_no_error_of_the_graders(self, gallery):
        call = {
            "kind": "call", "at": 1, "network": 1, "part": "", "training": True, "gradients": True, "trained": True,
            "shape": [0], "input": np.zeros((0, 784)), "sample": None, "outputs": [], "dropout": [], "batch_norm": [],
            "state_before": [None, 0.0], "state_after": None,
        }  # fmt: skip
        odd = [np.zeros(3), np.full((2, 784), np.nan), np.zeros((2, 784), bool), np.full((2, 5), np.inf)]
        events = [{**call, "at": at, "input": array} for at, array in enumerate(odd)] + [
            {"kind": "confusion", "at": 9, "true": np.zeros(0), "predicted": np.zeros((3, 1)), "matrix": np.zeros(2)},
            {"kind": "loss", "at": 9, "network": 1, "function": "nll_loss", "value": None, "gradients": True, 
             "shape": [], "target_shape": None, "input": np.zeros((0, 3)), "target": None},
        ]  # fmt: skip
        network = {
            "number": 1, "class_name": "A", "part_of": 0, "training": True, "parameters": [], "buffers_changed": []
        }  # fmt: skip
        records = read_records({**EMPTY, "events": [call, *events], "networks": [network]})
        found = records.network(1)
        with pytest.raises(CheckFailed):
            assert_denoises(records, gallery, called="x")
        with pytest.raises(CheckFailed):
            assert_confusion_matrix(records, [1, 2], called="x")
        assert_does_not_train_on_test(records, found, gallery, called="x")
        for judgement in JUDGEMENTS.values():
            judgement(records, found)


def test_an_error_about_a_missing_gpu_is_named():
    error = StudentError("AssertionError", "Torch not compiled with CUDA enabled")
    assert cause_of(judge.raise_with_cause, error) == "hard_coded_device"
    with pytest.raises(StudentError):
        judge.raise_with_cause(StudentError("ValueError", "other"), called="x")


def shortened(text, *, steps=3):
    """What a shortened script leaves in its namespace; it takes a step by calling `step()`."""
    count, optimizers = [0], []

    def step():
        count[0] += 1

    brevity = shortening.Brevity(lambda: count[0], lambda: 100.0, steps, None, lambda: len(optimizers))
    space = {"step": step, "make_optimizer": lambda: optimizers.append(1), **brevity.names()}
    tree = shortening.Shortener().visit(ast.parse(textwrap.dedent(text)))
    exec(compile(tree, "script", "exec"), space)
    return space | {"steps": count[0]}


class TestShortening:
    def test_loops_that_take_no_step_run_to_their_end(self):
        space = shortened("""
            total, rounds = 0, 0
            for i in range(1000):
                total += i
            else:
                done = True
            while rounds < 50:
                rounds += 1
        """)
        assert (space["total"], space["rounds"], space["done"]) == (499_500, 50, True)

    def test_epochs_are_the_first_and_the_last_and_each_is_cut(self):
        space = shortened("""
            seen = []
            for epoch in range(1, 31):
                seen.append(epoch)
                for batch in range(100):
                    step()
        """)
        assert space["seen"] == [1, 30]
        assert space["steps"] == 6

    def test_epochs_of_one_step_go_on_for_a_while(self):
        space = shortened("seen = []\nfor e in range(500):\n    step()\n    seen.append(e)")
        assert space["seen"] == [0, 1, 2, 499]

    @pytest.mark.parametrize(
        "text",
        [
            "n_epochs = 40",
            "x, EPOCHS = 1, 40",
            "class Settings: num_epochs = 40\nn_epochs = Settings.num_epochs",
            "def train(net, *, epochs=40): return epochs\nn_epochs = train(1)",
            "n_epochs = {'lr': 1, 'epochs': 40}['epochs']",
            "n_epochs = dict(max_epochs=40)['max_epochs']",
            "n_epochs: int = 40",
        ],
    )
    def test_numbers_of_epochs_are_cut_wherever_they_stand(self, text):
        space = shortened(text)
        assert space.get("n_epochs", space.get("EPOCHS")) == 2

    def test_a_few_models_or_optimisers_are_all_gone_through(self):
        space = shortened("seen = []\nfor name in ['a', 'b', 'c', 'd']:\n    step(); step()\n    seen.append(name)")
        assert space["seen"] == ["a", "b", "c", "d"]

    def test_a_loop_over_networks_is_gone_through_however_it_is_written(self):
        space = shortened(
            """
            import itertools
            seen = []
            for size, skip in itertools.product([1, 2, 3], [False, True]):
                make_optimizer()
                for batch in range(100):
                    step()
                seen.append((size, skip))
            """
        )
        assert len(space["seen"]) == 6
        assert space["steps"] == 18

    def test_what_counts_something_else_stays(self):
        space = shortened("epoch = 0\nbatch = 64\nepoch_length = 500\nlr_step_epoch_size = 30")
        assert (space["epoch"], space["batch"], space["epoch_length"]) == (0, 64, 500)
        assert space["lr_step_epoch_size"] == 30


class TestWatch:
    def test_everything_is_as_before_when_the_block_is_over(self, tmp_path):
        before = (F.nll_loss, torch.autograd.backward, torch.nn.Module.train, torch.optim.Adam.__init__, torch.randn)
        imported = __import__
        with watching.Watch(tmp_path, seconds=10, max_steps=5):
            assert F.nll_loss is not before[0]
        after = (F.nll_loss, torch.autograd.backward, torch.nn.Module.train, torch.optim.Adam.__init__, torch.randn)
        assert after == before
        assert __import__ is imported
        with watching.Watch(tmp_path, seconds=10, max_steps=5) as watch:
            pass
        torch.nn.Linear(2, 2)(torch.ones(1, 2))
        assert watch.report()["events"] == []

    def test_a_library_that_is_imported_meanwhile_is_watched_as_well(self, tmp_path):
        with watching.Watch(tmp_path, seconds=10, max_steps=5) as watch:
            from sklearn.metrics import confusion_matrix

            confusion_matrix([0, 1], [1, 1])
        (event,) = watch.report()["events"]
        assert event["matrix"].tolist() == [[0, 1], [0, 1]]

    def test_what_a_network_is_given_by_name_is_seen(self, tmp_path):
        net = torch.nn.Sequential(torch.nn.Linear(3, 2))
        with watching.Watch(tmp_path, seconds=10, max_steps=5) as watch:
            net(input=torch.ones(4, 3))
            torch.nn.Bilinear(2, 3, 1)(torch.ones(5, 2), input2=torch.zeros(5, 3))
        by_name, by_place = (event for event in watch.report()["events"] if event["kind"] == "call")
        assert by_name["shape"] == [4, 3]
        assert by_name["input"].tolist() == torch.ones(4, 3).tolist()
        assert by_place["shape"] == [5, 2]

    def test_an_answer_stays_small_however_long_the_training(self, tmp_path):
        net = torch.nn.Linear(400, 400)
        with watching.Watch(tmp_path, seconds=60, max_steps=10_000) as watch:
            for _ in range(300):
                net(torch.ones(100, 400)).sum().backward()
        report = watch.report()
        assert report["counts"]["call"] == 300
        assert len(report["events"]) < 100
        assert (
            sum(array.nbytes for event in report["events"] for array in event.values() if hasattr(array, "nbytes"))
            < 2e6
        )

    def test_steps_are_compared_with_gradients_computed_again(self, tmp_path):
        net = torch.nn.Linear(3, 1)
        sgd = torch.optim.SGD(net.parameters(), lr=0.5)
        with watching.Watch(tmp_path, seconds=60, max_steps=10) as watch:
            for factor in (1.0, 2.0):
                net(factor * torch.ones(2, 3)).sum().backward()
                sgd.step()
        first, second = (event for event in watch.report()["events"] if event["kind"] == "step")
        assert first["recent_error"] == pytest.approx(0, abs=1e-6)
        assert first["plain_error"] == pytest.approx(0, abs=1e-5)
        assert second["recent_error"] > 0.3
        assert second["total_error"] == pytest.approx(0, abs=1e-6)
