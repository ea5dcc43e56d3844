"""Finding the network of a submission, whatever it is called and however it is made."""

import sys
import textwrap
import types

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from autograder.checks.compare import CheckFailed  # noqa: E402
from autograder.checks.networks import (  # noqa: E402
    AUTOENCODER,
    CLASSIFIER,
    SKIP_AUTOENCODER,
    assert_from_code_alone,
    assert_works_as_it_is,
    find_network,
)
from autograder.sandbox.policy import Policy  # noqa: E402
from autograder.sandbox.probes import networks  # noqa: E402
from autograder.sandbox.proxy import StudentError  # noqa: E402
from autograder.sandbox.session import Session, Setting  # noqa: E402

HEAD = """
import torch
import torch.nn as nn
import torch.nn.functional as F
"""
SUBMISSIONS = {
    "classes": """
        class Block(nn.Module):
            def __init__(self, in_channels, out_channels):
                super().__init__()
                self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
            def forward(self, x):
                return F.relu(self.conv(x))

        class Digits(nn.Module):
            def __init__(self, num_classes, dropout, use_bn):
                super().__init__()
                self.block = Block(1, 4)
                self.fc = nn.Linear(4 * 784, num_classes)
            def forward(self, x):
                return F.log_softmax(self.fc(self.block(x).flatten(1)), dim=1)
        """,
    "instance": """
        net = nn.Sequential(nn.Flatten(), nn.Linear(784, 30), nn.ReLU(), nn.Linear(30, 10))
        criterion = nn.CrossEntropyLoss()
        """,
    "function": """
        def build_model(hidden=16):
            return nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10))
        def train():
            raise SystemExit("train was called")
        """,
    "two": """
        class First(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(784, 10)
            def forward(self, x):
                return self.fc(x.flatten(1))
        class Second(First):
            pass
        """,
    "named": """
        class Experiment(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(784, 10)
            def forward(self, x):
                return self.fc(x.flatten(1))
        class CNN(Experiment):
            pass
        """,
    "flat": """
        class AE(nn.Module):
            def __init__(self, latent_dim=16):
                super().__init__()
                self.encoder = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, latent_dim))
                self.decoder = nn.Sequential(nn.Linear(latent_dim, 32), nn.ReLU(), nn.Linear(32, 784), nn.Sigmoid())
            def forward(self, x):
                code = self.encoder(x)
                return code, self.decoder(code)
        """,
    "owncall": """
        BOTTLENECK = 2
        class Auto(nn.Module):
            def __init__(self, widths, bottleneck):
                super().__init__()
                self.down = nn.ModuleList([nn.Linear(784, widths[0]), nn.Linear(widths[0], bottleneck)])
                self.up = nn.ModuleList([nn.Linear(bottleneck, widths[0]), nn.Linear(widths[0], 784)])
            def forward(self, x):
                z = self.down[1](self.down[0](x.reshape(len(x), -1)).relu())
                y = torch.sigmoid(self.up[1](self.up[0](z).relu()))
                return {"code": z, "image": y.view(-1, 1, 28, 28)}
        def main():
            model = Auto([24], BOTTLENECK)
        """,
    "apart": """
        class Encoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 2))
            def forward(self, x):
                return self.layers(x)
        class Decoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.Sequential(nn.Linear(2, 20), nn.ReLU(), nn.Linear(20, 784), nn.Sigmoid())
            def forward(self, z):
                return self.layers(z)
        """,
    "nofoward": """
        class Auto(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Linear(784, 2), nn.Linear(2, 784)
            def encode(self, x):
                return self.a(x.flatten(1))
            def decode(self, z):
                return torch.sigmoid(self.b(z))
        """,
    "skips": """
        class ConvAutoencoder(nn.Module):
            def __init__(self, skip=False):
                super().__init__()
                self.skip = skip
                self.conv, self.pool = nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2)
                self.fc1, self.fc2 = nn.Linear(784, 2), nn.Linear(2, 784)
                self.out = nn.Conv2d(8 if skip else 4, 1, 3, padding=1)
            def forward(self, x):
                p = self.pool(F.relu(self.conv(x)))
                y = F.relu(self.fc2(self.fc1(p.flatten(1)))).view(-1, 4, 14, 14)
                if self.skip:
                    y = torch.cat([y, p], 1)
                return torch.sigmoid(self.out(F.interpolate(y, scale_factor=2)))
        """,
    "skipcall": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.pool = nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2)
                self.fc1, self.fc2 = nn.Linear(784, 2), nn.Linear(2, 784)
                self.out = nn.Conv2d(4, 1, 3, padding=1)
            def forward(self, x, use_skip=False):
                p = self.pool(F.relu(self.conv(x)))
                y = F.relu(self.fc2(self.fc1(p.flatten(1)))).view(-1, 4, 14, 14)
                if use_skip:
                    y = y + p
                return torch.sigmoid(self.out(F.interpolate(y, scale_factor=2)))
        """,
    "leaks": """
        class Autoencoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Linear(784, 2), nn.Linear(2, 784)
            def forward(self, x):
                hidden = x.flatten(1).tolist()
                return self.b(self.a(x.flatten(1))) + torch.tensor(hidden)
        """,
    "lazy": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.fc = nn.LazyConv2d(4, 3), nn.LazyLinear(10)
            def forward(self, x):
                return self.fc(F.relu(self.conv(x)).flatten(1))
        """,
    "settings": """
        import argparse
        class Net(nn.Module):
            def __init__(self, args):
                super().__init__()
                self.fc1, self.fc2 = nn.Linear(784, args.hidden_size), nn.Linear(args.hidden_size, args.num_classes)
                self.drop = nn.Dropout(args.dropout)
            def forward(self, x, labels=None, verbose=False):
                return self.fc2(self.drop(F.relu(self.fc1(x.flatten(1)))))
        """,
    "wrapped": """
        model = nn.DataParallel(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)))
        scripted = torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 10)))
        """,
    "scripted": """
        scripted = torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 10)))
        """,
    "leaves": """
        def get_model():
            raise SystemExit("no")
        class CNN(nn.Module):
            def __init__(self, num_classes=10):
                super().__init__()
                self.fc = nn.Linear(784, num_classes)
            def forward(self, x):
                return self.fc(x.flatten(1))
        """,
    "variational": """
        class VAE(nn.Module):
            def __init__(self, z_dim=20):
                super().__init__()
                self.body, self.mu, self.logvar = nn.Linear(784, 32), nn.Linear(32, z_dim), nn.Linear(32, z_dim)
                self.up = nn.Sequential(nn.Linear(z_dim, 32), nn.ReLU(), nn.Linear(32, 784), nn.Sigmoid())
            def forward(self, x):
                h = F.relu(self.body(x.flatten(1)))
                mu, logvar = self.mu(h), self.logvar(h)
                z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar) if self.training else mu
                return self.up(z).view_as(x), mu, logvar
        """,
    "builder": """
        def make_cae(skip=False, code=2):
            class CAE(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.conv, self.out = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 1, 3, padding=1)
                    self.fc1, self.fc2 = nn.Linear(784, code), nn.Linear(code, 784)
                def forward(self, x):
                    p = F.max_pool2d(F.relu(self.conv(x)), 2)
                    y = F.relu(self.fc2(self.fc1(p.flatten(1)))).view(-1, 4, 14, 14)
                    y = y + p if skip else y
                    return torch.sigmoid(self.out(F.interpolate(y, scale_factor=2)))
            return CAE()
        """,
    "copies": """
        class Autoencoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(784, 784)
            def forward(self, x):
                return self.fc(x.flatten(1))
        """,
    "wide": """
        class Autoencoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Linear(784, 3), nn.Linear(3, 784)
            def forward(self, x):
                return self.b(self.a(x.flatten(1)))
        """,
    "stencil": """
        class CNN(nn.Module):
            def __init__(self):
                super().__init__()
                raise NotImplementedError("build the layers")
        """,
    "broken": """
        class CNN(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(100, 10)
            def forward(self, x):
                return self.fc(x)
        """,
    "fixed": """
        class CNN(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(784, 10)
            def forward(self, x):
                return self.fc(x.view(32, 784))
        """,
    "reads": """
        class CNN(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(784, 10)
                open(__file__.replace("reads", "not_there"))
            def forward(self, x):
                raise ValueError(object())
        """,
    "fails_as_it_comes": """
        class CNN(nn.Module):
            def __init__(self, wide=True):
                super().__init__()
                self.fc = nn.Linear(785 if wide else 784, 10)
            def forward(self, x):
                return self.fc(x.flatten(1))
        """,
    "nothing": "LEARNING_RATE = 0.1",
}
SUBMISSIONS["skips_raise"] = SUBMISSIONS["skips"].replace("8 if skip else 4", "4")
SUBMISSIONS["skips_replace"] = SUBMISSIONS["skips_raise"].replace("torch.cat([y, p], 1)", "p")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """All the submissions as modules of one, so that torch is loaded once."""
    root = tmp_path_factory.mktemp("networks")
    folder, data = root / "submission", root / "data"
    for path in (folder, data):
        path.mkdir()
    for path in (root, root.parent, root.parent.parent, folder, data):
        path.chmod(path.stat().st_mode | 0o755)
    files = {f"{name}.py": HEAD + textwrap.dedent(text) for name, text in SUBMISSIONS.items()}
    files["syntax.py"] = "class CNN(nn.Module:\n    pass\n"
    files["importer.py"] = "from named import CNN\n"
    for name, text in files.items():
        (folder / name).write_text(text)
    preloads = ("numpy", "torch", "autograder.sandbox.probes.networks")
    setting = Setting(folder, root, "nothing.py", data, modules=tuple(files), preloads=preloads,
                      policy=Policy(call_seconds=20, import_seconds=60))  # fmt: skip
    with Session(setting) as opened:
        yield opened


@pytest.fixture
def probes(session):
    with session.check(60) as worker:
        yield worker.probes


def images(count=3):
    return np.random.default_rng(0).random((count, 1, 28, 28), dtype=np.float32)


@pytest.mark.parametrize(
    ("module", "made"),
    [
        ("classes", "Digits(num_classes=10, dropout=0.5, use_bn=False)"),
        ("instance", "net"),
        ("function", "build_model()"),
        ("named", "CNN()"),
        ("importer", "CNN()"),
        ("lazy", "Net()"),
        ("settings", "Net(args=Settings())"),
        ("wrapped", "model"),
        ("scripted", "scripted"),
        ("leaves", "CNN()"),
    ],
)
def test_a_classifier_is_found_however_it_is_made(probes, module, made):
    network = find_network(probes, CLASSIFIER, [module])
    assert network.made == made
    assert bool(network.remarks) == (module == "wrapped")
    assert made in network.reason
    assert network.run(images()).shape == (3, 10)
    assert "linear" in [layer.name for layer in network.trace().layers()]


def test_two_that_fit_are_a_remark_with_the_way_to_settle_it(probes):
    network = find_network(probes, CLASSIFIER, ["two"])
    assert network.name == "First"
    assert "`Second`" in network.remarks[0]
    assert "`CNN`" in network.remarks[0]


@pytest.mark.parametrize(
    ("module", "made", "form", "path"),
    [
        ("flat", "AE(latent_dim=2)", "flat", "1"),
        ("owncall", "Auto([24], 2)", "image", "image"),
        ("apart", "Decoder() after Encoder()", "image", "0"),
        ("nofoward", "Auto()", "image", "0"),
        ("skips", "ConvAutoencoder()", "image", ""),
        ("skipcall", "Net()", "image", ""),
        ("variational", "VAE(z_dim=2)", "image", "0"),
        ("builder", "make_cae()", "image", ""),
    ],
)
def test_an_autoencoder_is_found_and_runs_from_its_code(probes, module, made, form, path):
    network = find_network(probes, AUTOENCODER, [module])
    assert (network.made, network.form, network.path) == (made, form, path)
    codes = network.code(images())
    assert codes.shape == (3, 2)
    np.testing.assert_allclose(network.decode(codes), network.reconstruct(images()), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("module", "made"),
    [
        ("skips", "ConvAutoencoder(skip=True)"),
        ("skipcall", "Net()(x, use_skip=True)"),
        ("builder", "make_cae(skip=True)"),
    ],
)
def test_the_skip_version_is_found_and_decodes_without_its_skips(probes, module, made):
    network = find_network(probes, SKIP_AUTOENCODER, [module])
    assert network.made == made
    codes = network.code(images())
    alone = network.decode(codes, images=images())
    np.testing.assert_array_equal(alone, network.decode(codes, images=1 - images()))
    with_skips = network.decode(codes, images=images(), zero_skips=False)
    np.testing.assert_allclose(with_skips, network.reconstruct(images()), rtol=1e-4, atol=1e-6)
    assert np.abs(alone - with_skips).max() > 1e-4


def test_no_skips_where_they_are_asked_for_is_named(probes):
    with pytest.raises(CheckFailed) as caught:
        find_network(probes, SKIP_AUTOENCODER, ["flat"])
    assert caught.value.explanation.cause == "skip_missing"


def test_an_autoencoder_with_another_code_is_still_found(probes):
    network = find_network(probes, AUTOENCODER, ["wide"])
    assert network.trace().code_size == 3


def test_what_leaves_torch_and_comes_back_is_caught_by_decoding_alone(probes):
    assert_from_code_alone(find_network(probes, AUTOENCODER, ["wide"]), images(), where="Problem 5.4")
    with pytest.raises(CheckFailed) as caught:
        assert_from_code_alone(find_network(probes, AUTOENCODER, ["leaks"]), images(), where="Problem 5.4")
    assert caught.value.explanation.cause == "bypasses_code"


def test_weights_come_with_their_names_and_kinds(probes):
    weights = find_network(probes, CLASSIFIER, ["two"]).weights()
    assert [(weight.name, weight.kind, weight.value.shape) for weight in weights] == [
        ("fc.weight", "parameter", (10, 784)),
        ("fc.bias", "parameter", (10,)),
    ]


@pytest.mark.parametrize(
    ("module", "role", "cause", "words"),
    [
        ("stencil", CLASSIFIER, "not_implemented", "build the layers"),
        ("broken", CLASSIFIER, "layers_do_not_fit", "mat1 and mat2 shapes"),
        ("nothing", CLASSIFIER, None, "defines no network"),
        ("reads", CLASSIFIER, None, "No such file or directory: 'not_there.py'"),
        ("copies", AUTOENCODER, None, "given images (N, 1, 28, 28): (N, 784)"),
        ("fixed", CLASSIFIER, "hard_coded_batch", "takes 32 images, and no other number"),
        ("skips_raise", SKIP_AUTOENCODER, "raises", "`ConvAutoencoder(skip=True)` cannot be run: RuntimeError"),
        ("skips_raise", SKIP_AUTOENCODER, "raises", "(skips_raise.py, line 18)"),
        ("skips_replace", SKIP_AUTOENCODER, "bypasses_code", "makes its images without the code"),
    ],
)
def test_what_was_tried_is_told_where_nothing_fits(probes, module, role, cause, words):
    with pytest.raises(CheckFailed) as caught:
        find_network(probes, role, [module])
    assert caught.value.explanation.cause == cause
    assert words in caught.value.explanation.got


def test_a_network_that_works_only_with_a_switch_turned_is_graded_and_told(probes):
    network = find_network(probes, CLASSIFIER, ["fails_as_it_comes"])
    assert network.made == "CNN(wide=False)"
    with pytest.raises(CheckFailed) as caught:
        assert_works_as_it_is(network)
    assert caught.value.explanation.cause == "raises"
    assert caught.value.explanation.got.startswith("`CNN()` cannot be used: RuntimeError: mat1 and mat2 shapes")


@pytest.mark.parametrize("module", ["named", "settings", "skips"])
def test_a_network_that_works_as_it_comes_is_none_of_these(probes, module):
    role = AUTOENCODER if module == "skips" else CLASSIFIER
    assert_works_as_it_is(find_network(probes, role, [module]))


def test_a_file_that_cannot_be_read_is_its_own_error(probes):
    with pytest.raises(StudentError, match="SyntaxError"):
        find_network(probes, CLASSIFIER, ["syntax"])


def test_large_networks_are_made_in_one_way_only(monkeypatch):
    student = types.ModuleType("large_student")
    exec("from torch import nn\nclass Net(nn.Linear):\n    def __init__(self, bias=True): super().__init__(4, 4, bias)",
         student.__dict__)  # fmt: skip
    monkeypatch.setitem(sys.modules, "large_student", student)
    ways = [record["made"] for record in networks.candidates(["large_student"], [("flat", np.ones((5, 4)))])]
    assert ways == ["Net()", "Net(bias=False)"]
    monkeypatch.setattr(networks, "MAX_KEPT", 10)
    assert len(networks.candidates(["large_student"], [("flat", np.ones((5, 4)))])) == 1


@pytest.mark.parametrize(
    "answer",
    [None, 3, [3], [{"kind": 3}], [{"kind": "class", "calls": [[]]}], [{}] * 300],
)
def test_an_answer_that_is_no_record_is_the_students_failure(answer):
    class Forged:
        def module(self, name):
            return name

        def run(self, *arguments, **keywords):
            return answer

    with pytest.raises(CheckFailed):
        find_network(Forged(), CLASSIFIER, ["student"])
