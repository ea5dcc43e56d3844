"""The PyTorch references and given files: shapes, sizes, update rules, and programs that run to their end."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from autograder.data import IDX_FILES, idx_bytes, prepare_data, read_idx

torch = pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]
CPSC, STAT, CIS = (ROOT / "reference" / name for name in ("cpsc663_ex2", "stat6910_hw5", "cis520_hw4"))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A folder with the first digits of the embedded data as mnist and as fashion_mnist: enough for a few steps."""
    whole = tmp_path_factory.mktemp("whole")
    prepare_data("mnist", whole / "no_real_files", whole)
    folder = tmp_path_factory.mktemp("digits")
    for name in ("mnist", "fashion_mnist"):
        (folder / name).mkdir()
        for file in IDX_FILES:
            (folder / name / file).write_bytes(idx_bytes(read_idx(whole / file)[:100]))
    return folder


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Import a module of a reference as its own script would, and forget it afterwards; the cwd is scratch."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    names = {path.stem for folder in (CPSC, STAT, CIS) for path in folder.glob("*.py")}
    others = {name: sys.modules.pop(name) for name in names & sys.modules.keys()}

    def load(folder: Path, name: str):
        monkeypatch.syspath_prepend(folder)
        return importlib.import_module(name)

    yield load
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(others)


def size(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_helper_that_reads_the_data_is_the_same_in_all_three():
    assert len({(folder / "mnist_data.py").read_bytes() for folder in (CPSC, STAT, CIS)}) == 1
    assert (STAT / "curves.py").read_bytes() == (CIS / "curves.py").read_bytes()


@pytest.mark.parametrize("place", ["", "mnist", "MNIST/raw"])
def test_pictures_are_found_where_students_have_them(load, tmp_path, place):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    images = np.arange(3 * 784).reshape(3, 28, 28).astype(np.uint8)
    (tmp_path / place / "t10k-images-idx3-ubyte.gz").write_bytes(idx_bytes(images))
    (tmp_path / place / "t10k-labels-idx1-ubyte.gz").write_bytes(idx_bytes(np.array([7, 0, 9])))
    pictures, labels = load(CPSC, "mnist_data").load_pictures(tmp_path, train=False).tensors
    assert (pictures.shape, pictures.dtype, labels.dtype) == ((3, 1, 28, 28), torch.float32, torch.int64)
    assert np.array_equal(pictures[:, 0].numpy(), images.astype(np.float32) / 255)
    assert labels.tolist() == [7, 0, 9]


def test_without_pictures_and_torchvision_the_folder_is_named(load, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(FileNotFoundError, match=r"holds no files of mnist.*--data-dir"):
        load(CPSC, "mnist_data").load_pictures(tmp_path, train=True)


def test_the_given_cnn_is_the_handouts(load):
    model = load(CPSC, "prob4_CNN").CNN()
    assert size(model) == 40 * 26 + 80 * (40 * 25 + 1) + 500 * 1281 + 10 * 501
    assert torch.allclose(model(torch.rand(3, 1, 28, 28)).exp().sum(dim=1), torch.ones(3))


def test_rows_of_the_confusion_matrix_are_the_true_classes(load):
    counts = load(CPSC, "prob4_CNN").confusion(torch.tensor([2, 2, 5]), torch.tensor([3, 2, 5]))
    assert counts.shape == (10, 10)
    assert (counts[2, 3], counts[2, 2], counts[5, 5], counts.sum()) == (1, 1, 1, 3)


def test_the_autoencoder_goes_through_two_numbers(load):
    model = load(CPSC, "prob5_AE").Autoencoder()
    pictures = torch.rand(3, 1, 28, 28)
    assert model.encode(pictures).shape == (3, 2)
    assert torch.equal(model(pictures), model.decode(model.encode(pictures)))
    kinds = [[type(layer).__name__ for layer in half] for half in (model.encoder, model.decoder)]
    assert kinds[0] == ["Linear", "ReLU"] * 3 + ["Linear"]
    assert kinds[1] == ["Linear", "ReLU"] * 3 + ["Linear", "Sigmoid"]


def test_the_convolutional_autoencoder_has_the_handouts_size_with_and_without_skips(load):
    module = load(CPSC, "prob6_CAE")
    pictures = torch.rand(3, 1, 28, 28)
    for skip in (False, True):
        model = module.ConvAutoencoder(skip=skip)
        assert size(model) == 16_859
        assert model.encode(pictures).shape == (3, 2)
        assert model(pictures).shape == pictures.shape
        alone = model.decode(model.encode(pictures))
        assert torch.equal(model(pictures), alone) is not skip


def test_noise_is_fresh_of_the_stated_size_and_leaves_the_pictures_alone(load):
    module = load(CPSC, "prob6_CAE")
    torch.manual_seed(0)
    pictures = torch.full((20, 1, 28, 28), 0.5)
    first, second = module.add_noise(pictures, 0.3), module.add_noise(pictures, 0.3)
    assert torch.all(pictures == 0.5)
    assert not torch.equal(first, second)
    assert (first - 0.5).std().item() == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize(
    ("module", "checkpoint", "network"),
    [
        ("prob5_AE", "mnist_ae.pt", lambda module: module.Autoencoder()),
        ("prob6_CAE", "mnist_cae.pt", lambda module: module.ConvAutoencoder()),
        ("prob6_CAE", "mnist-cae-skip.pt", lambda module: module.ConvAutoencoder(skip=True)),
    ],
)
def test_the_checkpoints_fit_and_beat_two_principal_components(load, tmp_path, module, checkpoint, network):
    prepare_data("mnist", tmp_path / "no_real_files", tmp_path)
    model = network(load(CPSC, module))
    model.load_state_dict(torch.load(CPSC / checkpoint, weights_only=True))
    read = sys.modules["mnist_data"].load_pictures
    train, held = (read(tmp_path, part).tensors[0].flatten(1) for part in (True, False))
    mean = train.mean(dim=0)
    axes = torch.linalg.svd(train - mean, full_matrices=False).Vh[:2]
    linear = (held - mean - (held - mean) @ axes.T @ axes).square().mean()
    with torch.no_grad():
        own = (model(held.reshape(-1, 1, 28, 28)).flatten(1) - held).square().mean()
    assert own < 0.8 * linear


@pytest.mark.parametrize("network", ["Net", "BatchNormNet"])
def test_both_fully_connected_networks_return_scores(load, network):
    model = getattr(load(STAT, "prob3"), network)()
    scores = model(torch.rand(4, 1, 28, 28))
    assert scores.shape == (4, 10)
    assert sum(isinstance(layer, torch.nn.BatchNorm1d) for layer in model.modules()) == (network != "Net") * 2


def steps(optimizer, weight, gradients):
    """The weight after each of several steps with these gradients."""
    values = []
    for gradient in gradients:
        optimizer.zero_grad()
        weight.grad = torch.tensor([gradient])
        optimizer.step()
        values.append(weight.item())
    return values


def test_momentum_is_the_handouts_rule(load):
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = load(STAT, "prob3").make_optimizer("momentum", [weight], lr=0.1, momentum=0.5)
    w, v, expected = 1.0, 0.0, []
    for gradient in (2.0, -1.0, 0.5):
        v = 0.5 * v - 0.1 * gradient
        w += v
        expected.append(w)
    assert steps(optimizer, weight, (2.0, -1.0, 0.5)) == pytest.approx(expected)


@pytest.mark.parametrize(("name", "first"), [("sgd", -0.2), ("adagrad", -0.1), ("adam", -0.1)])
def test_the_other_optimizers_take_their_first_step(load, name, first):
    weight = torch.nn.Parameter(torch.tensor([0.0]))
    optimizer = load(STAT, "prob3").make_optimizer(name, [weight], lr=0.1)
    assert steps(optimizer, weight, [2.0]) == pytest.approx([first])


def test_an_unknown_optimizer_is_refused_by_name(load):
    with pytest.raises(ValueError, match="'adamw'"):
        load(STAT, "prob3").make_optimizer("adamw", [])


def test_alexnets_layers_are_read_out_before_the_relu_and_without_dropout(load):
    module = load(STAT, "prob4")
    model = sys.modules["alexnet"].AlexNet(classes=7, hidden=16)
    images = torch.randn(2, 3, 227, 227)
    first = module.first_conv_outputs(model, images)
    assert first.shape == (2, 64, 56, 56)
    with torch.no_grad():
        assert torch.equal(first, model.features[0](images))
    final = module.final_layer_outputs(model, images)
    assert torch.equal(final, module.final_layer_outputs(model, images))
    assert model.training, "the network is left in the mode in which it was"
    assert not model.features[0]._forward_hooks
    names = [f"name {number}" for number in range(7)]
    best = module.top5(model, images[0], names)
    assert [name for name, _ in best] == [names[number] for number in final[0].argsort(descending=True)[:5]]
    assert best[0][1] == pytest.approx(torch.softmax(final[0], dim=0).max().item(), rel=1e-4)


@pytest.mark.parametrize(("height", "width"), [(227, 227), (300, 400), (100, 50), (228, 226), (1, 900)])
def test_pictures_are_cropped_or_padded_around_their_middle(load, height, width):
    image = np.random.default_rng(0).integers(1, 255, (height, width, 3), dtype=np.uint8)
    kept = image.copy()
    fitted = load(STAT, "prob4").fit_to_input(image)
    assert (fitted.shape, fitted.dtype) == ((227, 227, 3), np.uint8)
    assert np.array_equal(image, kept)
    rows, columns = min(height, 227), min(width, 227)
    kept_rows, kept_columns = (np.flatnonzero(fitted.any(axis=(axis, 2))) for axis in (1, 0))
    assert (len(kept_rows), len(kept_columns)) == (rows, columns)
    top, left = (height - rows) // 2, (width - columns) // 2
    middle = fitted[kept_rows[0] : kept_rows[-1] + 1, kept_columns[0] : kept_columns[-1] + 1]
    assert np.array_equal(middle, image[top : top + rows, left : left + columns])
    for kept_part in (kept_rows, kept_columns):
        assert abs(kept_part[0] - (226 - kept_part[-1])) <= 1


@pytest.mark.parametrize("pooling", [(2, 2, 0), (4, 3, 1)])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_table_2_fits_both_poolings(load, pooling, batch_norm):
    model = load(CIS, "hw4").ConvNet(pooling, 0.1, batch_norm)
    output = model(torch.rand(3, 1, 28, 28))
    assert torch.allclose(output.exp().sum(dim=1), torch.ones(3))
    norms = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d)]
    assert len(norms) == (4 if batch_norm else 0)


def test_accuracies_count_by_class(load):
    module = load(CIS, "hw4")
    scores = torch.eye(10)[[0, 1, 1, 2]]
    loader = [(scores[:3], torch.tensor([0, 1, 0])), (scores[3:], torch.tensor([2]))]
    model = torch.nn.Identity()
    assert module.overall_accuracy(model, "cpu", loader) == 0.75
    assert module.class_accuracies(model, "cpu", loader)[:3] == [0.5, 1.0, 1.0]


def test_backpropagation_is_autograds_gradient_of_equation_5(load):
    module = load(CIS, "backprop")
    random = np.random.default_rng(0)
    shapes = {"W1": (2, 6), "b1": (6,), "W2": (6, 2), "b2": (2,)}
    values = {name: random.normal(size=shape) for name, shape in shapes.items()}
    x, y = random.normal(size=2), np.array([0.0, 1.0])
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}
    hidden = torch.tanh(torch.tensor(x) @ tensors["W1"] + tensors["b1"])
    output = torch.sigmoid(hidden @ tensors["W2"] + tensors["b2"])
    target = torch.tensor(y)
    (target * output.log() + (1 - target) * (1 - output).log()).sum().backward()
    assert np.allclose(module.forward(x, **values), output.detach().numpy())
    got = module.gradients(x, y, **values)
    assert {name: array.shape for name, array in got.items()} == shapes
    for name, tensor in tensors.items():
        assert np.allclose(got[name], tensor.grad.numpy()), name


@pytest.mark.parametrize(
    ("folder", "program", "arguments", "files", "words"),
    [
        (CPSC, "prob4_CNN", (), ["filters.png"], "of 100 right"),
        (CPSC, "prob5_AE", (), ["mnist_ae.pt", "ae_reconstructions.png", "ae_embedding.png"], "test error"),
        (CPSC, "prob6_CAE", (), ["mnist_cae.pt", "mnist-cae-skip.pt", "cae_skip_noise_embedding.png"], "skip_noise"),
        (STAT, "prob3", (), ["cost.png", "accuracy.png"], "sgd with batch normalization"),
        (STAT, "prob5", (), [], "test accuracy"),
        (CIS, "hw4", ("--pooling", "4", "3", "1"), ["loss.png", "accuracy.png"], "Ankle boot"),
    ],
)
def test_a_program_runs_to_its_end(load, digits, tmp_path, capsys, folder, program, arguments, files, words):
    load(folder, program).main(["--data-dir", str(digits), "--epochs", "1", *arguments])
    assert words in capsys.readouterr().out
    assert [name for name in files if not (tmp_path / name).is_file()] == []
