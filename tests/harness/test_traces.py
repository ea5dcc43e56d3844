"""A network's trace: what it does, however it is written."""

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

from autograder.checks.architecture import (  # noqa: E402
    assert_code,
    assert_layers,
    assert_no_way_around,
    assert_registered,
    assert_skips,
    compare_layers,
    expect,
    settings_of,
    skip_levels,
)
from autograder.checks.compare import CheckFailed  # noqa: E402
from autograder.checks.traces import read_trace  # noqa: E402
from autograder.sandbox.probes import tracing  # noqa: E402

ENCODER = [
    expect("convolution", "Convolution (1 to 4)", out_channels=4, kernel=3, stride=1, padding=1),
    expect("relu", "ReLU"),
    expect("max_pool", "Max Pooling 2", kernel=2, stride=2),
    expect("convolution", "Convolution (4 to 8)", out_channels=8, kernel=3, stride=1, padding=1),
    expect("relu", "ReLU"),
    expect("max_pool", "Max Pooling 2", kernel=2, stride=2),
    expect("linear", "Linear (to 20)", out_features=20),
    expect("relu", "ReLU"),
    expect("linear", "Linear (20 to 2)", out_features=2),
]
DECODER = [
    expect("linear", "Linear (2 to 20)", out_features=20),
    expect("relu", "ReLU"),
    expect("linear", "Linear (20 to 392)", out_features=392),
    expect("relu", "ReLU"),
    expect("upsample_nearest", "Upsampling 2", scale=2),
    expect("convolution", "Convolution (8 to 4)", out_channels=4),
    expect("relu", "ReLU"),
    expect("upsample_nearest", "Upsampling 2", scale=2),
    expect("convolution", "Convolution (4 to 1)", out_channels=1),
    expect("sigmoid", "Sigmoid"),
]


class Plain(nn.Module):
    """Modules, one attribute each; subclasses change one thing."""

    kernel, padding, channels, code, skips = 3, 1, 4, 2, False

    def __init__(self):
        super().__init__()
        wide = 2 if self.skips else 1
        self.conv1 = nn.Conv2d(1, self.channels, self.kernel, padding=self.padding)
        self.conv2 = nn.Conv2d(self.channels, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc1, self.fc2 = nn.Linear(392, 20), nn.Linear(20, self.code)
        self.fc3, self.fc4 = nn.Linear(self.code, 20), nn.Linear(20, 392)
        self.conv3 = nn.Conv2d(8 * wide, 4, 3, padding=1)
        self.conv4 = nn.Conv2d(4 * wide, 1, 3, padding=1)
        self.up = nn.Upsample(scale_factor=2)

    def encode(self, x):
        p1 = self.pool(F.relu(self.conv1(x)))
        p2 = self.pool(F.relu(self.conv2(p1)))
        return self.on_code(self.fc2(F.relu(self.fc1(p2.flatten(1))))), p1, p2

    def on_code(self, z):
        return z

    def decode(self, z):
        y = F.relu(self.fc4(F.relu(self.fc3(z)))).view(-1, 8, 7, 7)
        y = F.relu(self.conv3(self.up(y)))
        return torch.sigmoid(self.conv4(self.up(y)))

    def forward(self, x):
        return self.decode(self.encode(x)[0])


class PoolFirst(Plain):
    """ReLU after the pooling, in place; padding by hand; masks, clamps and matrix products for layers."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3)
        self.out = nn.Parameter(torch.randn(20, 2))
        self.shift = nn.Parameter(torch.randn(2))

    def encode(self, x):
        x = F.max_pool2d(self.conv1(F.pad(x, (1, 1, 1, 1))), 2).relu_()
        x = F.adaptive_max_pool2d(self.conv2(x), 7)
        x = x * (x > 0)
        x = torch.maximum(self.fc1(torch.flatten(x, 1)), torch.zeros(20))
        return x @ self.out + self.shift, None, None

    def decode(self, z):
        y = self.fc3(z).clamp(min=0)
        y = torch.where(self.fc4(y) > 0, self.fc4(y), 0.0) if False else F.threshold(self.fc4(y), 0, 0)
        y = y.reshape(-1, 8, 7, 7).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        y = self.conv3(y).clamp_min(0)
        y = F.interpolate(y, size=(28, 28))
        return 1 / (1 + torch.exp(-self.conv4(y)))


class Listed(Plain):
    """One nn.Sequential, with a dropout and a whole-image convolution for a linear layer."""

    def __init__(self):
        nn.Module.__init__(self)
        self.all = nn.Sequential(
            nn.Conv2d(1, 4, 3, 1, "same"), nn.ReLU(True), nn.MaxPool2d(2, 2),
            nn.Conv2d(4, 8, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2, 2),
            nn.Conv2d(8, 20, 7), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1), nn.Linear(20, 2),
            nn.Linear(2, 20), nn.ReLU(), nn.Linear(20, 392), nn.ReLU(), nn.Unflatten(1, (8, 7, 7)),
            nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(8, 4, 3, padding=1), nn.ReLU(),
            nn.UpsamplingNearest2d(scale_factor=2), nn.Conv2d(4, 1, 3, padding=1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x):
        return self.all(x)


class SkipCat(Plain):
    skips = True

    def forward(self, x):
        z, p1, p2 = self.encode(x)
        y = F.relu(self.fc4(F.relu(self.fc3(z)))).view(-1, 8, 7, 7)
        y = F.relu(self.conv3(self.up(torch.cat([y, p2], 1))))
        return torch.sigmoid(self.conv4(self.up(torch.cat([p1, y], 1))))


class SkipAdd(Plain):
    def forward(self, x):
        z, p1, p2 = self.encode(x)
        y = F.relu(self.fc4(F.relu(self.fc3(z)))).view(-1, 8, 7, 7)
        y += p2
        y = F.relu(self.conv3(self.up(y)))
        return torch.sigmoid(self.conv4(self.up(y + p1)))


class SkipBuffer(SkipAdd):
    """Joins by writing both halves into a tensor made beforehand."""

    skips = True

    def forward(self, x):
        z, p1, p2 = self.encode(x)
        y = F.relu(self.fc4(F.relu(self.fc3(z)))).view(-1, 8, 7, 7)
        both = torch.zeros(len(x), 16, 7, 7)
        both[:, :8] = y
        both[:, 8:] = p2
        y = F.relu(self.conv3(self.up(both)))
        return torch.sigmoid(self.conv4(self.up(torch.hstack([y, p1]))))


def images(count=5):
    return np.random.default_rng(1).random((count, 1, 28, 28), dtype=np.float32)


def traced(network, training=False, inputs=None):
    torch.manual_seed(0)
    record = tracing.trace(network, images() if inputs is None else inputs, training)
    return read_trace(record, training=training)


def judged(network):
    trace = traced(network)
    assert_layers(trace.encoder(), ENCODER, where="Problem 6.1, encoder", code=trace.code)
    assert_layers(trace.decoder(), DECODER, where="Problem 6.1, decoder", code=trace.code)


def failure(network):
    with pytest.raises(CheckFailed) as caught:
        judged(network)
    return caught.value.explanation


@pytest.mark.parametrize("kind", [Plain, PoolFirst, Listed])
def test_the_same_network_written_differently_is_the_same_list(kind):
    judged(kind())


@pytest.mark.parametrize("kind", [Plain, PoolFirst, Listed])
def test_the_code_is_two_numbers_and_nothing_leads_around_it(kind):
    trace = traced(kind())
    assert trace.code_size == 2
    assert_no_way_around(trace, where="Problem 6.1")


def variant(**attributes):
    return type("Variant", (Plain,), attributes)()


@pytest.mark.parametrize(
    ("attributes", "cause", "words"),
    [
        ({"kernel": 5, "padding": 2}, "wrong_kernel", "convolution 1 has kernel 5"),
        ({"channels": 6}, "wrong_channels", "convolution 1 has output channels 6"),
        ({"code": 3}, "wrong_code_size", "has outputs 3"),
        ({"on_code": lambda self, z: F.relu(z)}, "activation_on_code", "a ReLU on the code itself"),
        ({"on_code": lambda self, z: torch.tanh(z)}, "activation_on_code", "a tanh on the code itself"),
    ],
)
def test_a_departure_is_named_with_its_layer(attributes, cause, words):
    explanation = failure(variant(**attributes))
    assert explanation.cause == cause
    assert words in explanation.got
    assert "Problem 6.1, encoder" in explanation.expected


class NoRelu(Plain):
    def decode(self, z):
        y = F.relu(self.fc4(self.fc3(z))).view(-1, 8, 7, 7)
        y = F.relu(self.conv3(self.up(y)))
        return torch.sigmoid(self.conv4(self.up(y)))


class NoSigmoid(Plain):
    def decode(self, z):
        y = F.relu(self.fc4(F.relu(self.fc3(z)))).view(-1, 8, 7, 7)
        return self.conv4(self.up(F.relu(self.conv3(self.up(y)))))


class Bilinear(Plain):
    def __init__(self):
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")


class Transposed(Plain):
    def decode(self, z):
        y = F.relu(self.fc4(F.relu(self.fc3(z)))).view(-1, 8, 7, 7)
        y = F.relu(F.conv_transpose2d(y, torch.ones(8, 4, 2, 2), stride=2))
        return torch.sigmoid(F.conv_transpose2d(y, torch.ones(4, 1, 2, 2), stride=2))


class AveragePool(Plain):
    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool2d(2)


class Strided(Plain):
    def __init__(self):
        super().__init__()
        self.conv1.stride, self.conv2.stride, self.pool = (2, 2), (2, 2), nn.Identity()


@pytest.mark.parametrize(
    ("kind", "cause", "words"),
    [
        (NoRelu, "missing_relu", "there is no ReLU at this place"),
        (NoSigmoid, "missing_sigmoid", "there is no sigmoid"),
        (Bilinear, "wrong_upsampling", "bilinear up-sampling 1"),
        (AveragePool, "wrong_pooling", "average pooling 1"),
        (Strided, "missing_pooling", "there is no max-pooling"),
    ],
)
def test_what_is_missing_or_replaced_is_named(kind, cause, words):
    explanation = failure(kind())
    assert explanation.cause == cause
    assert words in explanation.got


def test_transposed_convolutions_are_no_up_sampling():
    explanation = failure(Transposed())
    assert "transposed convolution 1" in explanation.got
    assert explanation.cause == "wrong_upsampling"


class LargePool(Plain):
    """A pooling of 4 for the second one, and the image made to fit again."""

    def encode(self, x):
        p1 = self.pool(F.relu(self.conv1(x)))
        p2 = F.interpolate(F.max_pool2d(F.relu(self.conv2(p1)), 4), size=(7, 7), mode="bilinear")
        return self.fc2(F.relu(self.fc1(p2.flatten(1)))), p1, p2


class NoPool(Plain):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8 * 14 * 14, 20)

    def encode(self, x):
        x = F.relu(self.conv2(self.pool(F.relu(self.conv1(x)))))
        return self.fc2(F.relu(self.fc1(x.flatten(1)))), None, None


class StridedOnce(Plain):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.fc1 = nn.Linear(72, 20)


class TransposedOnce(Plain):
    """One transposed convolution in the place of an up-sampling and its convolution."""

    def decode(self, z):
        y = F.relu(self.fc4(F.relu(self.fc3(z)))).view(-1, 8, 7, 7)
        y = F.relu(F.conv_transpose2d(y, torch.ones(8, 4, 2, 2), stride=2))
        return torch.sigmoid(self.conv4(F.interpolate(y, scale_factor=2)))


class StridesForPooling(Plain):
    """The second pooling is a stride of 2."""

    def __init__(self):
        super().__init__()
        self.conv2 = nn.Conv2d(4, 8, 3, stride=2, padding=1)

    def encode(self, x):
        x = F.relu(self.conv2(self.pool(F.relu(self.conv1(x)))))
        return self.fc2(F.relu(self.fc1(x.flatten(1)))), None, None


class Unpadded(Plain):
    padding = 0

    def __init__(self):
        super().__init__()
        self.conv2 = nn.Conv2d(4, 8, 3, padding=0)
        self.fc1 = nn.Linear(200, 20)


class ExtraSoftmax(Plain):
    def decode(self, z):
        return F.softmax(F.softmax(super().decode(z).flatten(1), 1), 1)


@pytest.mark.parametrize(
    ("kind", "cause", "words"),
    [
        (NoPool, "missing_pooling", "there is no max-pooling at this place"),
        (StridesForPooling, "missing_pooling", "convolution 2 has stride 2"),
        (TransposedOnce, "wrong_upsampling", "your network has the transposed convolution"),
        (StridedOnce, "wrong_stride", "convolution 1 has stride 2"),
        (Unpadded, "wrong_padding", "convolution 2 has padding 0"),
        (LargePool, None, "max-pooling 2 has kernel 4"),
        (ExtraSoftmax, "double_softmax", "There is a softmax after the sigmoid"),
    ],
)
def test_more_departures(kind, cause, words):
    explanation = failure(kind())
    assert explanation.cause == cause
    assert words in explanation.got


def test_a_stride_that_enlarges_is_another_up_sampling():
    """Where a list also takes transposed convolutions for its convolutions, their stride has to be 1."""
    trace = traced(TransposedOnce())
    both = ("convolution", "transposed_convolution")
    kinds = ("linear", "relu", "linear", "relu", "upsample_nearest", both, "relu", "upsample_nearest", both, "sigmoid")
    lines = [expect(kind, str(kind), **({"stride": 1} if kind is both else {})) for kind in kinds]
    differences = compare_layers(trace.decoder(), lines)
    assert [one.cause for one in differences] == ["wrong_upsampling", "wrong_upsampling"]
    assert "the transposed convolution has stride 2" in differences[1].text


class SkipLayer(SkipAdd):
    """From before the poolings; the connections have layers of their own."""

    def __init__(self):
        super().__init__()
        self.side1, self.side2 = nn.Conv2d(4, 4, 1), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        c1 = F.relu(self.conv1(x))
        c2 = F.relu(self.conv2(self.pool(c1)))
        z = self.fc2(F.relu(self.fc1(self.pool(c2).flatten(1))))
        y = F.relu(self.fc4(F.relu(self.fc3(z)))).view(-1, 8, 7, 7)
        y = F.relu(self.conv3(self.up(y))) + self.side2(c2)
        return torch.sigmoid(self.conv4(self.up(y) + F.relu(self.side1(c1))))


class SkipTwice(SkipAdd):
    """Runs the encoder once for the code and once for the connections."""

    def forward(self, x):
        z = self.encode(x)[0]
        _, p1, p2 = self.encode(x)
        y = F.relu(self.fc4(F.relu(self.fc3(z)))).view(-1, 8, 7, 7)
        y = F.relu(self.conv3(self.up(y + p2)))
        return torch.sigmoid(self.conv4(self.up(y + p1)))


class Unpools(Plain):
    """The poolings' indices reach the decoder."""

    def forward(self, x):
        p1, places1 = F.max_pool2d(F.relu(self.conv1(x)), 2, return_indices=True)
        p2, places2 = F.max_pool2d(F.relu(self.conv2(p1)), 2, return_indices=True)
        z = self.fc2(F.relu(self.fc1(p2.flatten(1))))
        y = F.relu(self.fc4(F.relu(self.fc3(z)))).view(-1, 8, 7, 7)
        y = F.relu(self.conv3(F.max_unpool2d(y, places2, 2)))
        return torch.sigmoid(self.conv4(F.max_unpool2d(y, places1, 2)))


def test_indices_of_a_pooling_lead_around_the_code():
    trace = traced(Unpools())
    with pytest.raises(CheckFailed) as caught:
        assert_no_way_around(trace, where="Problem 6.1")
    assert caught.value.explanation.cause == "bypasses_code"
    assert "max unpool2d" in failure(Unpools()).got


@pytest.mark.parametrize("kind", [SkipCat, SkipAdd, SkipBuffer, SkipLayer, SkipTwice])
def test_skip_connections_are_seen_whether_added_or_concatenated(kind):
    trace = traced(kind())
    assert sorted(skip.level for skip in skip_levels(trace)) == [1, 2]
    assert_skips(trace, where="Problem 6.2")
    with pytest.raises(CheckFailed) as caught:
        assert_no_way_around(trace, where="Problem 6.1")
    assert caught.value.explanation.cause == "bypasses_code"
    assert trace.code_size == 2


@pytest.mark.parametrize(
    ("attributes", "cause"),
    [
        ({}, None),
        ({"code": 3}, "wrong_code_size"),
        ({"code": 400}, "wrong_code_size"),
        ({"on_code": lambda self, z: torch.sigmoid(z)}, "activation_on_code"),
        ({"decode": lambda self, z: Plain.decode(self, F.relu(z))}, "activation_on_code"),
        ({"on_code": lambda self, z: F.dropout(z, 0.1)}, None),
    ],
)
def test_the_code_is_judged_alone(attributes, cause):
    trace = traced(variant(**attributes))
    if cause is None:
        assert_code(trace, 2, where="Problem 5.4")
        return
    with pytest.raises(CheckFailed) as caught:
        assert_code(trace, 2, where="Problem 5.4")
    assert caught.value.explanation.cause == cause


def test_what_is_computed_twice_is_one_layer():
    trace = traced(SkipTwice())
    assert len(trace.encoder()) == len(ENCODER)
    training = traced(SkipTwice(), training=True)
    assert len(training.encoder()) == len(ENCODER)


class OneSkip(Plain):
    def forward(self, x):
        z, p1, _ = self.encode(x)
        y = F.relu(self.fc4(F.relu(self.fc3(z)))).view(-1, 8, 7, 7)
        return torch.sigmoid(self.conv4(self.up(F.relu(self.conv3(self.up(y))) + p1)))


class DeepSkip(Plain):
    def forward(self, x):
        p1 = self.pool(F.relu(self.conv1(x)))
        p2 = self.pool(F.relu(self.conv2(p1)))
        h = self.fc1(p2.flatten(1))
        y = F.relu(self.fc4(F.relu(self.fc3(self.fc2(F.relu(h)))) + h)).view(-1, 8, 7, 7)
        y = F.relu(self.conv3(self.up(y)))
        return torch.sigmoid(self.conv4(self.up(y + p1)))


class InputSkip(Plain):
    def forward(self, x):
        return torch.sigmoid(self.decode(self.encode(x)[0]) + x)


@pytest.mark.parametrize(
    ("kind", "cause", "words"),
    [
        (Plain, "skip_missing", "Nothing enters the decoder but the code"),
        (OneSkip, "skip_missing", "pooling layer 2"),
        (DeepSkip, "skip_from_wrong_layer", "the output of linear layer 1 enters the decoder"),
        (InputSkip, "skip_from_wrong_layer", "the input image enters the decoder"),
    ],
)
def test_skip_connections_that_are_missing_or_elsewhere_are_told(kind, cause, words):
    with pytest.raises(CheckFailed) as caught:
        assert_skips(traced(kind()), where="Problem 6.2")
    assert caught.value.explanation.cause == cause
    assert words in caught.value.explanation.got


# ---- Modes, softmax, aliases ----------------------------------------------------------------------------------------


class Table2(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(1, 32, 5, 1, 2), nn.BatchNorm2d(32), nn.Dropout(0.3)
        self.fc = nn.Linear(32 * 14 * 14, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 4, 2, 1)
        return F.log_softmax(self.fc(self.drop(x).flatten(1)), dim=1)


class AlwaysDrops(Table2):
    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 4, 2, 1)
        return F.softmax(self.fc(F.dropout(x, 0.3).flatten(1)), dim=0)


def test_dropout_and_batch_norm_follow_the_mode():
    network = Table2()
    training, evaluation = traced(network, True).layers(), traced(network).layers()
    assert settings_of(training, "dropout")[0]["p"] == 0.3
    assert settings_of(evaluation, "dropout") == ()
    assert settings_of(training, "batch_norm")[0]["uses_batch_statistics"] is True
    assert settings_of(evaluation, "batch_norm")[0]["uses_batch_statistics"] is False
    assert settings_of(evaluation, "max_pool")[0] == {
        "kernel": (4, 4), "stride": (2, 2), "padding": (1, 1), "dilation": (1, 1), "ceil_mode": False,
    }  # fmt: skip


def test_functional_dropout_that_ignores_the_mode_and_a_softmax_over_the_batch_show():
    layers = traced(AlwaysDrops()).layers()
    assert settings_of(layers, "dropout")[0]["p"] == 0.3
    assert settings_of(layers, "softmax")[0]["dim"] == 0


def test_a_trace_leaves_the_network_as_it_was():
    network = Table2()
    network.drop.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    traced(network, training=True)
    assert network.training
    assert not network.drop.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


class WrittenOut(nn.Module):
    def __init__(self, log, shift):
        super().__init__()
        self.fc, self.log, self.shift = nn.Linear(784, 10), log, shift

    def forward(self, x):
        z = self.fc(x.flatten(1))
        if self.log == "logsumexp":
            return z - torch.logsumexp(z, 1, keepdim=True)
        z = z - z.max(dim=1, keepdim=True).values if self.shift else z
        e = torch.exp(z)
        p = e / e.sum(dim=1, keepdim=True)
        return torch.log(p) if self.log else p


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize(("log", "name"), [(False, "softmax"), (True, "log_softmax"), ("logsumexp", "log_softmax")])
def test_softmax_written_out_is_softmax(log, shift, name):
    layers = traced(WrittenOut(log, shift)).layers()
    assert [layer.name for layer in layers] == ["linear", name]
    assert layers[-1].settings["dim"] == 1


class Aliases(nn.Module):
    """In-place operations on views: the data flow follows the memory."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(784, 20)

    def forward(self, x):
        y = self.fc(x.flatten(1))
        view = y.view(-1, 4, 5)
        F.relu_(view)
        y[:, :10].tanh_()
        return y


def test_writing_into_a_view_changes_what_shares_its_memory():
    trace = traced(Aliases())
    names = {layer.name for layer in trace.layers()}
    assert {"linear", "relu", "tanh"} <= names


def test_a_reused_module_counts_each_time_with_its_one_parameter():
    class Reuse(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(784, 784)

        def forward(self, x):
            return self.fc(F.relu(self.fc(x.flatten(1))))

    layers = traced(Reuse()).layers()
    assert [layer.parameters.get("weight") for layer in layers] == ["fc.weight", None, "fc.weight"]


# ---- Running from the code ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Plain, PoolFirst, Listed])
def test_running_from_the_code_is_the_decoder(kind):
    torch.manual_seed(0)
    network = kind().eval()
    trace = traced(network)
    position = trace.made_by(trace.code).position
    codes = tracing.value_at(network, images(3), position)
    again = tracing.run_from(network, np.zeros((3, 1, 28, 28), np.float32), position, codes)[0][1]
    with torch.no_grad():
        expected = network(torch.from_numpy(images(3)))
    np.testing.assert_allclose(again, expected, rtol=1e-5, atol=1e-6)


def test_zeroed_skips_leave_the_code_alone():
    torch.manual_seed(0)
    network = SkipCat().eval()
    trace = traced(network)
    position = trace.made_by(trace.code).position
    zeroed = {skip.joined.position: [skip.joined.slots[skip.index]] for skip in trace.paths_around()}
    codes = tracing.value_at(network, images(2), position)
    runs = [tracing.run_from(network, images(n + 2)[-2:], position, codes, zeroed)[0][1] for n in (0, 1)]
    np.testing.assert_array_equal(runs[0], runs[1])
    free = [tracing.run_from(network, images(n + 2)[-2:], position, codes)[0][1] for n in (0, 1)]
    assert np.abs(free[0] - free[1]).max() > 1e-4


def test_a_forward_pass_that_does_other_things_the_second_time_is_an_error():
    with pytest.raises(RuntimeError, match="no operation 400"):
        tracing.value_at(Plain(), images(), 400)


# ---- Garbage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda record: None,
        lambda record: [],
        lambda record: {**record, "operations": 3},
        lambda record: {**record, "operations": [object()]},
        lambda record: {**record, "outputs": []},
        lambda record: {**record, "problem": "only the first were kept"},
        lambda record: {**record, "operations": record["operations"][::-1]},
        lambda record: {**record, "outputs": [{"path": "", "value": 10**9, "shape": [], "dtype": ""}]},
        lambda record: {**record, "input_shape": []},
        lambda record: {**record, "operations": [{**record["operations"][0], "inputs": [7]}]},
        lambda record: {**record, "operations": [{**record["operations"][0], "output_shape": [-1]}]},
    ],
)
def test_a_record_that_is_no_trace_is_the_students_failure(change):
    record = tracing.trace(Plain(), images())
    with pytest.raises(CheckFailed):
        read_trace(change(record), training=False)


def test_the_compiler_of_torch_is_not_loaded_for_a_trace():
    program = (
        "import sys, torch; from autograder.sandbox.probes import tracing;"
        "tracing.trace(torch.nn.Linear(2, 2), torch.ones(5, 2)); print('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "False"


class TestRegistered:
    def test_layers_that_no_optimizer_sees_are_named(self):
        class InAList(nn.Module):
            def __init__(self):
                super().__init__()
                self.convolutions = [nn.Conv2d(1, 4, 3)]

            def forward(self, x):
                return self.convolutions[0](x)

        with pytest.raises(CheckFailed, match="convolution") as failure:
            assert_registered(traced(InAList()).layers())
        assert failure.value.explanation.cause == "frozen_parameters"

    def test_the_networks_own_layers_are(self):
        assert_registered(traced(nn.Sequential(nn.Conv2d(1, 4, 3))).layers())


class TestMissingLayers:
    """A list of two hidden layers and an output, and networks that lack something of it."""

    LINES = (
        expect("convolution", "Convolution 1", out_channels=4, kernel=3),
        expect("relu", "ReLU 1"),
        expect("max_pool", "Pooling 1", kernel=2),
        expect("convolution", "Convolution 2", out_channels=4, kernel=3),
        expect("relu", "ReLU 2"),
        expect("max_pool", "Pooling 2", kernel=2),
        expect("dropout", "Dropout", p=0.5),
        expect("linear", "Linear", out_features=10),
    )

    @staticmethod
    def causes(*layers):
        trace = traced(nn.Sequential(*layers), training=True)
        return {difference.cause for difference in compare_layers(trace.layers(), TestMissingLayers.LINES)}

    def block(self, channels=1, pool=nn.MaxPool2d):
        return nn.Conv2d(channels, 4, 3), nn.ReLU(), pool(2)

    def test_a_layer_with_its_activation_and_pooling_is_one_mistake(self):
        assert self.causes(*self.block(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(676, 10)) == {"missing_layer"}

    def test_it_is_whichever_of_two_layers_that_are_alike_is_missing(self):
        layers = *self.block(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(676, 10)
        trace = traced(nn.Sequential(*layers), training=True)
        lines = (*self.LINES[:3], *self.LINES[:3], *self.LINES[6:])
        numbered = [expect(one.names, f"{number}. {one.line}", **one.settings) for number, one in enumerate(lines)]
        assert {one.cause for one in compare_layers(trace.layers(), numbered)} == {"missing_layer"}

    def test_an_activation_alone_is_missing_by_itself(self):
        layers = nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), *self.block(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(100, 10)
        assert self.causes(*layers) == {"missing_relu"}

    @pytest.mark.parametrize(
        ("dropout", "pool", "outputs", "cause"),
        [
            (None, nn.MaxPool2d, 10, "missing_dropout"),
            (0.2, nn.MaxPool2d, 10, "wrong_dropout"),
            (0.5, nn.AvgPool2d, 10, "wrong_pooling"),
            (0.5, nn.MaxPool2d, 11, "wrong_width"),
        ],
    )
    def test_one_layer_that_is_another_is_named(self, dropout, pool, outputs, cause):
        drop = [nn.Dropout(dropout)] if dropout else []
        layers = *self.block(1, pool), *self.block(4, pool), *drop, nn.Flatten(), nn.Linear(100, outputs)
        assert self.causes(*layers) == {cause}
