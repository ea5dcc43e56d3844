"""The references and given files: their `main` runs end to end on the embedded data, learns, and plots to files."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from autograder.data import idx_bytes, prepare_data

ROOT = Path(__file__).resolve().parents[2]
MLP = ROOT / "reference" / "csci567_hw3"
ONE_LAYER = ROOT / "reference" / "csci1430_hw5"


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """The embedded data sets, one folder each."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("mnist", "scenerec"):
        prepare_data(name, folder / "no_real_files", folder / name)
    return folder


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Import a module of a reference as its own script would, and forget it afterwards; the cwd is scratch."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    names = {path.stem for folder in (MLP, ONE_LAYER) for path in folder.glob("*.py")}
    others = {name: sys.modules.pop(name) for name in names & sys.modules.keys()}

    def load(folder: Path, name: str):
        monkeypatch.syspath_prepend(folder)
        return importlib.import_module(name)

    yield load
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(others)


def settings(data_dir: Path, **changes):
    """What `main` of csci567_hw3 takes, with few epochs."""
    return {
        "random_seed": 42,
        "data_dir": str(data_dir),
        "learning_rate": 0.01,
        "num_epoch": 4,
        "minibatch_size": 5,
        "early_stopping_patience": 3,
        "check_gradient": False,
        "check_magnitude": False,
        **changes,
    }


def run_script(script: Path, *arguments: str, cwd: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-B", script, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_perceptron_learns_and_writes_its_curves(load, data_folder, tmp_path):
    load(MLP, "neural_networks").main(settings(data_folder / "mnist"))
    result = json.loads((tmp_path / "MLP_lr0.01_b5.json").read_text())
    assert sorted(result) == ["test", "time", "train", "val"]
    assert len(result["train"]) == len(result["val"]) == 4
    assert result["train"][-1] > 0.93
    assert result["test"] > 0.88
    assert 0 < result["time"] < 60


def test_the_perceptrons_run_repeats_with_its_seed_only(load, data_folder, tmp_path):
    module = load(MLP, "neural_networks")
    curves = []
    for seed in (1, 1, 2):
        module.main(settings(data_folder / "mnist", num_epoch=1, random_seed=seed, minibatch_size=50))
        curves.append(json.loads((tmp_path / "MLP_lr0.01_b50.json").read_text())["val"])
    assert curves[0] == curves[1] != curves[2]


def test_training_stops_early_and_keeps_the_best_model(load, data_folder, tmp_path, capsys):
    changes = {"learning_rate": 1e-12, "early_stopping_patience": 2, "minibatch_size": 500, "num_epoch": 10}
    load(MLP, "neural_networks").main(settings(data_folder / "mnist", **changes))
    assert len(json.loads((tmp_path / "MLP_lr1e-12_b500.json").read_text())["val"]) == 3
    assert "no better validation accuracy than in epoch 1" in capsys.readouterr().out


def test_a_batch_larger_than_the_data_is_one_step(load, data_folder, tmp_path):
    changes = {"num_epoch": 1, "minibatch_size": 5000, "learning_rate": 0.1}
    load(MLP, "neural_networks").main(settings(data_folder / "mnist", **changes))
    assert len(json.loads((tmp_path / "MLP_lr0.1_b5000.json").read_text())["train"]) == 1


def test_the_gradient_check_agrees_and_leaves_the_model_as_it_was(load, capsys):
    module = load(MLP, "neural_networks")
    np.random.seed(3)
    model = module.build_model(6)
    before = {name: model[name].params["W"].copy() for name in ("L1", "L2")}
    examples = module.DataSplit(np.random.normal(size=(7, 6)), np.arange(7.0).reshape(7, 1))
    module.gradient_checker(examples, model)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["L1 W", "L1 b", "L2 W", "L2 b"]
    for line in lines:
        backpropagated, approximated = (float(part.split()[-1]) for part in line.split(", "))
        assert backpropagated == pytest.approx(approximated, rel=1e-4)
        assert backpropagated != 0
    assert all(np.array_equal(before[name], model[name].params["W"]) for name in before)


def test_the_magnitude_check_prints_two_sizes_of_one_magnitude(load, data_folder, capsys):
    module = load(MLP, "neural_networks")
    np.random.seed(0)
    train = module.DataSplit(*module.data_loader_mnist(data_folder / "mnist")[:2])
    module.magnitude_checker(train, module.build_model(train.d))
    small, large = (float(line.split(": ")[1]) for line in capsys.readouterr().out.splitlines())
    assert 0.2 < small / large < 5


def test_the_loss_has_its_own_gradient_and_survives_large_scores(load):
    utils = load(MLP, "utils")
    loss = utils.softmax_cross_entropy()
    random = np.random.default_rng(0)
    scores, labels = random.normal(size=(4, 3)), np.array([[0.0], [2.0], [2.0], [1.0]])
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert loss.forward(scores, labels) == pytest.approx(-np.log(probabilities[range(4), [0, 2, 2, 1]]).mean())
    gradient = loss.backward(scores, labels)
    for entry in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[entry] = 1e-6
        slope = (loss.forward(scores + step, labels) - loss.forward(scores - step, labels)) / 2e-6
        assert gradient[entry] == pytest.approx(slope, abs=1e-8)
    assert loss.forward(np.array([[1000.0, -1000.0]]), np.array([[1.0]])) == 2000.0
    assert loss.backward(np.array([[1000.0, -1000.0]]), np.array([[1.0]])).tolist() == [[1.0, -1.0]]


@pytest.mark.parametrize(("size", "train", "val"), [(12_600, 10_000, 2_000), (1_500, 1_250, 250)])
def test_the_loader_splits_as_the_handout_says(load, tmp_path, size, train, val):
    images = np.arange(size * 4).reshape(size, 2, 2).astype(np.uint8)
    for prefix, count in (("train", size), ("t10k", 30)):
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx_bytes(images[:count]))
        (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx_bytes(np.arange(count) % 10))
    X_train, Y_train, X_val, Y_val, X_test, Y_test = load(MLP, "utils").data_loader_mnist(tmp_path)
    assert (X_train.shape, Y_train.shape) == ((train, 4), (train, 1))
    assert (X_val.shape, Y_val.shape) == ((val, 4), (val, 1))
    assert (X_test.shape, Y_test.shape) == ((30, 4), (30, 1))
    assert np.array_equal(X_val[0] * 255, images[train].reshape(-1))
    assert Y_train.dtype == float
    assert X_train.max() == 1.0


def test_predicted_labels_and_batches_have_the_shapes_of_labels(load):
    utils = load(MLP, "utils")
    assert utils.predict_label(np.array([[1.0, 3.0, 2.0], [5.0, 0.0, 0.0]])).tolist() == [[1.0], [0.0]]
    split = utils.DataSplit(np.arange(6.0).reshape(3, 2), np.arange(3.0).reshape(3, 1))
    x, y = split.get_example([2, 0])
    assert (x.tolist(), y.tolist()) == ([[4.0, 5.0], [0.0, 1.0]], [[2.0], [0.0]])
    x[:] = -1
    assert split.X.min() == 0, "a batch is a copy"


def test_training_needs_no_progress_bar(load, data_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    module = load(MLP, "neural_networks")
    assert list(module.tqdm(range(3), leave=False)) == [0, 1, 2]


def test_the_perceptrons_commands_run_and_plot_without_a_screen(data_folder, tmp_path):
    data = ("--data_dir", str(data_folder / "mnist"), "--num_epoch", "2")
    printed = run_script(
        MLP / "neural_networks.py",
        *data,
        "--minibatch_size",
        "5",
        "--check_gradient",
        "--check_magnitude",
        cwd=tmp_path,
    )
    assert printed.count("approximation") == 4
    assert "test accuracy" in printed
    assert "wrote train_process.png" in run_script(MLP / "plot_train_process.py", cwd=tmp_path)
    assert (tmp_path / "train_process.png").read_bytes().startswith(b"\x89PNG")


def test_the_batch_size_plot_is_written_to_a_file(load, tmp_path):
    files = {}
    for size in (1, 50):
        files[size] = str(tmp_path / f"MLP_lr0.01_b{size}.json")
        Path(files[size]).write_text(json.dumps({"train": [0.5], "val": [0.5], "test": 0.5, "time": 1.5}))
    load(MLP, "plot_batch").plot_batch(files, "batch.png")
    assert (tmp_path / "batch.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("dataset", "epochs", "network", "svm"), [("mnist", 3, 0.88, 0.88), ("scenerec", 10, 0.5, 0.75)]
)
def test_the_one_layer_network_and_its_svm_learn(load, data_folder, capsys, dataset, epochs, network, svm):
    load(ONE_LAYER, "main")
    data = sys.modules["datasets"].Datasets(dataset, data_folder)
    hp = SimpleNamespace(num_epochs=epochs, learning_rate=sys.modules["hyperparameters"].learning_rate, batch_size=1)
    np.random.seed(0)
    sys.modules["model"].random.seed(0)
    model = sys.modules["model"].Model(
        data.train_images, data.train_labels, data.num_classes, hp, data.test_images, data.test_labels
    )
    model.train_nn()
    losses = [float(line.split("total loss ")[1].split(",")[0]) for line in capsys.readouterr().out.splitlines()]
    assert len(losses) == epochs
    assert losses[-1] < 0.8 * losses[0]
    assert model.accuracy_nn(data.test_images, data.test_labels) > network
    model.train_svm()
    assert model.accuracy_svm(data.test_images, data.test_labels) > svm


def test_the_model_takes_four_arguments_as_well(load, capsys):
    module = load(ONE_LAYER, "model")
    images, labels = np.eye(4, dtype=int), np.array([0, 1, 2, 0], dtype=np.uint8)
    model = module.Model(images, labels, 3, SimpleNamespace(num_epochs=60, learning_rate=0.5, batch_size=1))
    model.train_nn()
    assert "accuracy" not in capsys.readouterr().out
    assert model.accuracy_nn(images, labels) == 1.0
    assert (model.W.shape, model.b.shape) == ((4, 3), (1, 3))


def test_the_models_probabilities_survive_large_logits(load):
    module = load(ONE_LAYER, "model")
    hp = SimpleNamespace(num_epochs=1, learning_rate=0.5, batch_size=1)
    model = module.Model(np.eye(2), np.array([0, 1]), 2, hp)
    model.W = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]])
    probabilities = model.forward_pass(np.array([1.0, 0.0]))
    assert probabilities.tolist() == [[1.0, 0.0]]
    assert model.loss(probabilities, 1) == pytest.approx(-np.log(1e-10))


def test_the_digits_are_ink_or_paper_and_the_scenes_float(load, data_folder):
    datasets = load(ONE_LAYER, "datasets")
    digits, scenes = (datasets.Datasets(name, data_folder) for name in ("mnist", "scenerec"))
    assert (digits.train_images.shape, digits.num_classes) == ((1500, 784), 10)
    assert np.issubdtype(digits.train_images.dtype, np.integer)
    assert np.unique(digits.train_images).tolist() == [0, 1]
    assert (scenes.train_images.shape, scenes.num_classes) == ((600, 144), 15)
    assert np.isfinite(scenes.train_images).all()
    assert digits.train_labels.dtype == scenes.train_labels.dtype == np.uint8


def test_edge_directions_tell_which_way_brightness_grows(load):
    datasets = load(ONE_LAYER, "datasets")
    ramp = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (16, 1))
    for picture, direction in ((ramp, 0), (ramp.T, 2), (ramp[:, ::-1], 4), (ramp.T[::-1], 6)):
        features = datasets.gradient_directions(picture[None])[0]
        histograms = features[:128].reshape(16, 8)
        assert np.argmax(histograms, axis=1).tolist() == [direction] * 16
        assert np.linalg.norm(histograms) == pytest.approx(1.0)


def test_the_one_layer_networks_command_runs(data_folder, tmp_path):
    arguments = ("--dataset", "scenerec", "--mode", "nn+svm", "--data", str(data_folder))
    printed = run_script(ONE_LAYER / "main.py", *arguments, cwd=tmp_path).splitlines()
    assert [line.split(":")[0] for line in printed[:10]] == [f"epoch {epoch}" for epoch in range(10)]
    assert [line.split(":")[0] for line in printed[10:]] == ["NN on scenerec", "NN+SVM on scenerec"]
