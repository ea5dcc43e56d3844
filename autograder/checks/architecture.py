"""Comparing what a network does with the list of layers in a handout; failures name the layer and the line.

assert_layers(
    trace.encoder(),
    [
        expect("convolution", "Convolution (from 1 to 4 channels, kernel 3, padding 1)", out_channels=4, kernel=3, padding=1),
        expect("relu", "ReLU"),
        expect("max_pool", "Max pooling (kernel 2, stride 2)", kernel=2, stride=2),
    ],
    where="Problem 6.1, encoder",
    code=trace.code,
)
"""  # noqa: E501

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import msgspec

from autograder.checks.compare import fail
from autograder.checks.folding import Layer, Setting
from autograder.checks.traces import Skip, Trace

POOLS = ("max_pool", "avg_pool")
WITH_WEIGHTS = ("convolution", "transposed_convolution", "linear")
IGNORED = ("dropout", "batch_norm")
"""Left out of a comparison unless the handout's list has them: they change no shape and the lists leave them open."""

SHOWN_DIFFERENCES = 4
ACTIVATIONS = ("relu", "leaky_relu", "sigmoid", "tanh", "elu", "gelu", "silu", "softplus", "mish", "prelu", "relu6",
               "hardswish", "hardsigmoid", "log_sigmoid", "clamp", "softmax", "log_softmax")  # fmt: skip

_WORDS = {
    "convolution": "convolution", "transposed_convolution": "transposed convolution", "linear": "linear layer",
    "relu": "ReLU", "leaky_relu": "leaky ReLU", "sigmoid": "sigmoid", "tanh": "tanh", "max_pool": "max-pooling",
    "avg_pool": "average pooling", "upsample_nearest": "nearest-neighbour up-sampling",
    "upsample_bilinear": "bilinear up-sampling", "upsample_bicubic": "bicubic up-sampling",
    "batch_norm": "batch normalisation", "dropout": "dropout", "softmax": "softmax", "log_softmax": "log-softmax",
    "cat": "concatenation", "add": "addition", "noise": "random noise", "pad": "padding",
}  # fmt: skip
_CAUSE_OF_SETTING = {"kernel": "wrong_kernel", "stride": "wrong_stride", "padding": "wrong_padding",
                     "out_channels": "wrong_channels", "out_features": "wrong_width", "scale": "wrong_upsampling",
                     "p": "wrong_dropout", "dim": "wrong_axis"}  # fmt: skip
_MISSING = ("missing_layer", "missing_relu", "missing_pooling", "missing_sigmoid")
_WORD_OF_SETTING = {"out_channels": "output channels", "out_features": "outputs", "in_features": "inputs",
                    "in_channels": "input channels", "scale": "scale factor", "dim": "axis"}  # fmt: skip


class Expected(msgspec.Struct, frozen=True):
    """One line of a handout's list: names that will do, the settings it fixes, and the line in a few words."""

    names: tuple[str, ...]
    line: str
    settings: dict[str, Setting]


class Difference(msgspec.Struct, frozen=True):
    """One departure from the list. `text` is for the student; `cause` a slug, where there is one for it."""

    text: str
    cause: str | None
    line: str = ""


def expect(names: str | Sequence[str], line: str, **settings: Any) -> Expected:
    """One expected layer. A number stands for both directions; a tuple or list of alternatives is not one setting.

    What is not given is free: give `out_channels` rather than `in_channels`, so that one mistake counts once.
    """
    together = (names,) if isinstance(names, str) else tuple(names)
    return Expected(together, line, {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()})


def assert_layers(
    layers: Sequence[Layer],
    expected: Sequence[Expected],
    *,
    where: str,
    code: int | None = None,
    called: str = "",
    ignore: Sequence[str] = IGNORED,
) -> None:
    """Raises CheckFailed unless the layers are those of the list, in order.

    `where` is the handout's place ("Problem 6.1, encoder"); `code` the value of the embedding, so that an activation
    on it and its size are named as such. Joins (cat, add) and what is in `ignore` are left out of both.
    """
    differences = compare_layers(layers, expected, code=code, ignore=ignore)
    if differences:
        fail_differences(differences, layers, expected, where=where, called=called)


def compare_layers(
    layers: Sequence[Layer],
    expected: Sequence[Expected],
    *,
    code: int | None = None,
    ignore: Sequence[str] = IGNORED,
) -> list[Difference]:
    """The departures from the list, in its order; empty where there is none."""
    listed = {name for one in expected for name in one.names}
    left_out = {name for name in (*ignore, "cat", "add", "stack") if name not in listed}
    kept = [layer for layer in layers if layer.name not in left_out]
    found: list[Difference] = []
    enlarged = False
    for layer, line in _aligned(kept, expected):
        if layer is None and line is not None:
            cause = "wrong_upsampling" if enlarged and line.names[0] == "convolution" else _cause_of_missing(line)
            found.append(
                Difference(f"{_line(line)}: there is no {words(line.names[0])} at this place.", cause, line.line)
            )
        elif line is None and layer is not None:
            found.append(_superfluous(layer, kept, code))
        elif layer is not None and line is not None:
            found.extend(_unlike(layer, line, kept, code))
        # A transposed convolution stands for an up-sampling and the convolution after it.
        enlarged = layer is not None and layer.name == "transposed_convolution" and layer.name not in listed
    return _runs_of_missing(_strides_for_poolings(found), expected)


def _runs_of_missing(found: list[Difference], expected: Sequence[Expected]) -> list[Difference]:
    """A layer with weights that is missing together with its activation and pooling is one mistake and not three."""
    causes = {difference.line: difference.cause for difference in found if difference.line}
    lines: set[str] = set()
    for missing, group in itertools.groupby(expected, lambda one: causes.get(one.line) in _MISSING):
        run = {one.line for one in group}
        if missing and any(causes[line] == "missing_layer" for line in run):
            lines |= run
    return [msgspec.structs.replace(one, cause="missing_layer") if one.line in lines else one for one in found]


def _strides_for_poolings(found: list[Difference]) -> list[Difference]:
    """A convolution that halves the size by its stride, where the list has it pooled, is one mistake and not two."""
    causes = [difference.cause for difference in found]
    if not 0 < causes.count("wrong_stride") <= causes.count("missing_pooling"):
        return found
    return [
        msgspec.structs.replace(one, cause="missing_pooling") if one.cause == "wrong_stride" else one for one in found
    ]


def fail_differences(
    differences: Sequence[Difference],
    layers: Sequence[Layer],
    expected: Sequence[Expected],
    *,
    where: str,
    called: str = "",
) -> NoReturn:
    """Raises CheckFailed for the differences: the first one leads, a cause is claimed only where all agree on it."""
    causes = {difference.cause for difference in differences}
    shown = [difference.text for difference in differences[:SHOWN_DIFFERENCES]]
    if len(differences) > SHOWN_DIFFERENCES:
        shown.append(f"... and {len(differences) - SHOWN_DIFFERENCES} more")
    fail(
        "\n".join([*shown, "", "Your network, in the order in which it computes:", outline(layers)]),
        called=called,
        cause=causes.pop() if len(causes) == 1 else None,
        expected=f"{where}:\n" + "\n".join(f"  {number}. {one.line}" for number, one in enumerate(expected, 1)),
    )


def outline(layers: Sequence[Layer]) -> str:
    """The layers, one a line, with the shape per image that each gives."""
    return "\n".join(
        f"  {number}. {describe_layer(layer)} -> {'x'.join(map(str, layer.output_shape[1:]))}"
        for number, layer in enumerate(layers[:60], 1)
    )


def describe_layer(layer: Layer) -> str:
    """One layer in one short line, such as "convolution 1 to 4, kernel 3, stride 1, padding 1"."""
    settings, parts = layer.settings, [words(layer.name)]
    for before, after in (("in_channels", "out_channels"), ("in_features", "out_features")):
        if before in settings:
            parts[0] += f" {settings[before]} to {settings.get(after)}"
    for key in ("kernel", "stride", "padding", "scale", "p", "dim", "slope"):
        if key in settings:
            parts.append(f"{_WORD_OF_SETTING.get(key, key)} {_number(settings[key])}")
    return ", ".join(parts)


def words(name: str) -> str:
    """A layer's name as a reader would say it."""
    return _WORDS.get(name, name.replace("_", " "))


def _number(value: Setting) -> str:
    if isinstance(value, tuple):
        return _number(value[0]) if len(set(value)) == 1 else "x".join(map(_number, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _line(line: Expected) -> str:
    return f'"{line.line}"'


# ---- Alignment ------------------------------------------------------------------------------------------------------


def _aligned(layers: Sequence[Layer], expected: Sequence[Expected]) -> list[tuple[Layer | None, Expected | None]]:
    """Layers beside lines with the fewest departures: an alignment by edit distance."""
    rows, columns = len(layers) + 1, len(expected) + 1
    cost = [[0.0] * columns for _ in range(rows)]
    for i in range(rows):
        for j in range(columns):
            ways = [cost[i - 1][j] + 2] if i else []
            ways += [cost[i][j - 1] + 2] if j else []
            ways += [cost[i - 1][j - 1] + _distance(layers[i - 1], expected[j - 1])] if i and j else []
            cost[i][j] = min(ways, default=0.0)
    pairs: list[tuple[Layer | None, Expected | None]] = []
    i, j = rows - 1, columns - 1
    while i or j:
        if i and j and cost[i][j] == cost[i - 1][j - 1] + _distance(layers[i - 1], expected[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((layers[i], expected[j]))
        elif i and cost[i][j] == cost[i - 1][j] + 2:
            i -= 1
            pairs.append((layers[i], None))
        else:
            j -= 1
            pairs.append((None, expected[j]))
    return pairs[::-1]


def _distance(layer: Layer, line: Expected) -> float:
    """0 for the same, a little for another setting, more for another layer of the same kind, most for any other."""
    if layer.name in line.names:
        return min(0.25 * len(_unequal(layer, line)), 1.5)
    return 2.0 if _family(layer.name) == _family(line.names[0]) else 3.5


def _family(name: str) -> str:
    if name in ACTIVATIONS:
        return "activation"
    if name.startswith("upsample") or name == "transposed_convolution":
        return "enlarging"
    return "pooling" if name.endswith("_pool") else name


def _unequal(layer: Layer, line: Expected) -> list[str]:
    return [key for key, wanted in line.settings.items() if not _same(layer.settings.get(key), wanted)]


def _same(got: Setting, wanted: Setting) -> bool:
    if isinstance(got, tuple) and not isinstance(wanted, tuple):
        return bool(got) and all(one == wanted for one in got)
    return got == wanted


# ---- What a departure is called -------------------------------------------------------------------------------------


def _place(layer: Layer, layers: Sequence[Layer]) -> str:
    """ "convolution 2 (4 to 8, kernel 3)": its number among its like."""
    like = [other for other in layers if other.name == layer.name]
    return f"{words(layer.name)} {like.index(layer) + 1}" if len(like) > 1 else f"the {words(layer.name)}"


def _cause_of_missing(line: Expected) -> str | None:
    name = line.names[0]
    by_name = {"relu": "missing_relu", "sigmoid": "missing_sigmoid", "max_pool": "missing_pooling",
               "dropout": "missing_dropout", **dict.fromkeys(WITH_WEIGHTS, "missing_layer")}  # fmt: skip
    return "wrong_upsampling" if name.startswith("upsample") else by_name.get(name)


def _superfluous(layer: Layer, layers: Sequence[Layer], code: int | None) -> Difference:
    index = layers.index(layer)
    follows = f" after {_place(layers[index - 1], layers)}" if index else " at the very start"
    text = f"There is a {words(layer.name)}{follows} that the handout does not list."
    if layer.name in ACTIVATIONS and code is not None and layer.value == code:
        return Difference(f"There is a {words(layer.name)} on the code itself.", "activation_on_code")
    if layer.name in ("softmax", "log_softmax") and any(
        other.name in ("softmax", "log_softmax") for other in layers if other is not layer
    ):
        return Difference(text, "double_softmax")
    return Difference(text, None)


def _unlike(layer: Layer, line: Expected, layers: Sequence[Layer], code: int | None) -> list[Difference]:
    if layer.name not in line.names:
        text = f"{_line(line)}: at this place your network has {_place(layer, layers)}."
        return [Difference(text, _cause_of_replaced(layer, line), line.line)]
    found = []
    unequal = _unequal(layer, line)
    for key in unequal:
        cause = _CAUSE_OF_SETTING.get(key)
        follows = ("padding", "stride") if layer.name in POOLS else ("padding",)
        if key in follows and "kernel" in unequal:
            cause = "wrong_kernel"  # another kernel brings another padding (and a pooling's stride): one mistake
        if key == "out_features" and layer.value == code:
            cause = "wrong_code_size"
        if key == "stride" and layer.name == "transposed_convolution":
            cause = "wrong_upsampling"  # its stride enlarges
        text = f"{_line(line)}: {_place(layer, layers)} has {_WORD_OF_SETTING.get(key, key)} "
        found.append(Difference(text + f"{_number(layer.settings.get(key))}.", cause, line.line))
    return found


def _cause_of_replaced(layer: Layer, line: Expected) -> str | None:
    """Another activation in a ReLU's place is no missing one: only pooling and up-sampling have a name for this."""
    if line.names[0].startswith("upsample"):
        return "wrong_upsampling"
    if line.names[0] == "max_pool":
        return "missing_pooling" if _family(layer.name) != "pooling" else "wrong_pooling"
    return None


# ---- Skip connections -----------------------------------------------------------------------------------------------


class SkipLevel(msgspec.Struct, frozen=True):
    """One skip connection: which pooling layer (from 1) it starts at, None where it is none; and its ends in words.

    It starts at a pooling layer where it takes what that layer gives, or what it gets: an activation between the
    pooling before and this one. layers_between: layers of the encoder and decoder that it goes around.
    """

    level: int | None
    source: str
    joined: str
    shape: tuple[int, ...]
    layers_between: int


def skip_levels(trace: Trace) -> tuple[SkipLevel, ...]:
    """The skip connections around the code, in the order in which they are joined."""
    layers = trace.layers()
    return tuple(_level(skip, trace, layers) for skip in trace.paths_around())


def _level(skip: Skip, trace: Trace, layers: Sequence[Layer]) -> SkipLevel:
    start = trace.resolve(_where_it_leaves(skip, trace))
    made = next((layer for layer in layers if layer.value == start), None)
    around = trace.downstream(start) & trace.upstream(skip.joined.output)
    return SkipLevel(
        _pooling_of(start, made, trace, layers),
        f"the output of {_place(made, layers)}" if made is not None else "the input image",
        words(skip.joined.name),
        trace.shape(skip.value)[1:],
        sum(1 for layer in layers if layer.value in around) - 1,
    )


def _where_it_leaves(skip: Skip, trace: Trace) -> int:
    """The last value on the way to the code from which the connection comes: it may have layers of its own."""
    towards_code = trace.upstream(trace.code) if trace.code is not None else frozenset({0})
    return max(trace.upstream(skip.value) & towards_code, default=skip.value)


def _pooling_of(start: int, made: Layer | None, trace: Trace, layers: Sequence[Layer]) -> int | None:
    """The number of the pooling layer that gives the value, or gets it after its convolution; None for any other."""
    pools = [layer for layer in layers if layer.name in POOLS]
    before = trace.upstream(start)
    passed = sum(1 for pool in pools if pool.value in before)
    if made is None or any(layer.name == "linear" and layer.value in before for layer in layers):
        return None
    if made.name in POOLS or _stands_for_pool(start, trace):
        return max(passed, 1)
    return passed + 1 if passed < len(pools) else None


def _stands_for_pool(value: int, trace: Trace) -> bool:
    """Whether nothing but activations lies between a pooling and the value."""
    operation = trace.made_by(value)
    while operation is not None and operation.name in (*ACTIVATIONS, *IGNORED):
        operation = trace.made_by(trace.resolve(operation.inputs[0]))
    return operation is not None and operation.name in POOLS


def assert_skips(trace: Trace, *, where: str, called: str = "") -> None:
    """Raises CheckFailed unless a skip connection leads from each pooling layer into the decoder.

    Concatenation and addition both count. `where` is the handout's place.
    """
    skips = skip_levels(trace)
    pools = sum(1 for layer in trace.encoder() if layer.name in POOLS)
    found = {skip.level for skip in skips if skip.level is not None}
    missing = [number for number in range(1, pools + 1) if number not in found]
    if not missing:
        return
    wrong = [skip for skip in skips if skip.level is None]
    told = [f"{skip.source} enters the decoder ({skip.joined})" for skip in skips]
    told = told or ["Nothing enters the decoder but the code"]
    layers = " or ".join(f"pooling layer {number}" for number in missing)
    fail(
        f"{'; '.join(told)}; no skip connection starts at {layers}.\n\n"
        f"Your network, in the order in which it computes:\n{outline(trace.layers())}",
        called=called,
        cause="skip_from_wrong_layer" if wrong and (not found or len(wrong) >= len(missing)) else "skip_missing",
        expected=f"{where}: a skip connection from each pooling layer to the up-sampling layer it corresponds to",
    )


def assert_code(trace: Trace, size: int, *, where: str, called: str = "") -> None:
    """Raises CheckFailed unless the code has `size` numbers per image (wrong_code_size) and no activation on it.

    An activation on the code (activation_on_code) is one between the layer that makes it and the next layer.
    """
    if trace.code_size != size:
        has = f"{trace.code_size} numbers" if trace.code_size else "no narrow place"
        fail(f"Between the encoder and the decoder, your network has {has} per image.", called=called,
             cause="wrong_code_size", expected=f"{where}: a code of {size} numbers per image")  # fmt: skip
    ends = [layer for layer in trace.encoder()[-1:] + trace.decoder()[:1] if layer.name in ACTIVATIONS]
    if ends:
        fail(f"There is a {words(ends[0].name)} on the code itself.", called=called, cause="activation_on_code",
             expected=f"{where}: no activation when entering or leaving the embedding")  # fmt: skip


def assert_no_way_around(trace: Trace, *, where: str, called: str = "") -> None:
    """Raises CheckFailed (bypasses_code) where information reaches the output without passing through the code."""
    skips = skip_levels(trace)
    if skips:
        fail(
            f"Around the code, {skips[0].source} also enters the decoder ({skips[0].joined}).",
            called=called,
            cause="bypasses_code",
            expected=f"{where}: the output is computed from the code alone",
        )


def assert_registered(layers: Sequence[Layer], *, called: str = "") -> None:
    """The weights of all layers are the network's own parameters. Raises CheckFailed (frozen_parameters)."""
    unknown = [layer for layer in layers if layer.name in WITH_WEIGHTS and "weight" not in layer.parameters]
    if unknown:
        fail(
            f"The weights of {' and '.join(_place(layer, layers) for layer in unknown)} are not among "
            "model.parameters(), so that no optimizer changes them.",
            called=called,
            cause="frozen_parameters",
            expected="layers that are attributes of the network, or stand in nn.Sequential or nn.ModuleList",
        )


def settings_of(layers: Sequence[Layer], name: str) -> tuple[Mapping[str, Setting], ...]:
    """The settings of all layers of a name, in order: `settings_of(trace.layers(), "dropout")[0]["p"]`."""
    return tuple(layer.settings for layer in layers if layer.name == name)
