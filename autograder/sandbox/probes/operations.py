"""Probe: one dispatched operation of torch in the field's own words, with the settings that matter.

Whatever is not listed keeps torch's own name and has no settings. Names and settings are described, for those who
read them, in `autograder.checks.traces`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Settings = dict[str, Any]

KEEPS_ORDER = frozenset({
    "view", "_unsafe_view", "reshape", "_reshape_alias", "unsqueeze", "squeeze", "flatten", "alias", "detach",
    "detach_", "clone", "contiguous", "_to_copy", "to", "lift_fresh", "expand", "unsqueeze_", "squeeze_", "copy_",
    "unflatten", "_conj", "resolve_conj", "view_as",
})  # fmt: skip
REORDERS = frozenset({"t", "transpose", "permute", "movedim", "t_", "transpose_", "numpy_T", "flip"})
TAKES_PART = frozenset({"slice", "select", "narrow", "split", "split_with_sizes", "unbind", "chunk", "index",
                        "index_select", "gather"})  # fmt: skip
MULTIPLIES = frozenset({"addmm", "mm", "bmm", "matmul", "linear", "baddbmm", "mv", "addmv", "dot"})
BATCH_NORMS = frozenset({"native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
                         "_native_batch_norm_legit_functional", "cudnn_batch_norm", "_batch_norm_with_update",
                         "_batch_norm_no_update", "batch_norm"})  # fmt: skip
SAME_NAME = {"sigmoid": "sigmoid", "tanh": "tanh", "gelu": "gelu", "silu": "silu", "softplus": "softplus",
             "mish": "mish", "hardswish": "hardswish", "hardsigmoid": "hardsigmoid", "prelu": "prelu",
             "_prelu_kernel": "prelu", "relu": "relu", "relu6": "relu6", "selu": "selu", "celu": "celu",
             "log_sigmoid_forward": "log_sigmoid", "constant_pad_nd": "pad"}  # fmt: skip


@dataclass(frozen=True)
class Constant:
    """A tensor that does not depend on the input: the parameters it is made of, and whether chance is in it."""

    names: tuple[str, ...] = ()
    random: str = ""
    keep: float | None = None
    """For a mask of chance: the probability that an entry is kept."""


class Call:
    """One dispatched operation, with what was known of its tensor arguments before it ran.

    `meanings` holds, for each tensor argument, the number of its value or a Constant.
    """

    def __init__(
        self, function: Any, args: Any, kwargs: Any, arguments: list[Tensor], meanings: list[int | Constant]
    ) -> None:
        self.name: str = function.overloadpacket.__name__
        self.arguments = arguments
        self._meanings = dict(zip(map(id, arguments), meanings, strict=True))
        if self.name == "copy_":  # what was there before takes no part
            meanings = [Constant(), *meanings[1:]]
        self.slots = [index for index, meaning in enumerate(meanings) if isinstance(meaning, int)]
        """Which of the tensor arguments depend on the input."""
        self.data = [meaning for meaning in meanings if isinstance(meaning, int)]
        self.constants = [meaning for meaning in meanings if isinstance(meaning, Constant)]
        self.data_shapes = [list(arguments[index].shape) for index in self.slots]
        schema = function._schema.arguments
        self.bound = {one.name: one.default_value for one in schema if one.has_default_value()}
        self.bound |= dict(zip([one.name for one in schema], args, strict=False)) | kwargs
        self._writes = [one.name for one in schema if one.alias_info is not None and one.alias_info.is_write]

    def depends(self, value: Any) -> bool:
        """Whether an argument depends on the input."""
        return isinstance(value, Tensor) and isinstance(self._meanings.get(id(value)), int)

    def constant(self, value: Any) -> Constant | None:
        """What is known of a tensor argument that does not depend on the input; None for any other argument."""
        meaning = self._meanings.get(id(value)) if isinstance(value, Tensor) else None
        return meaning if isinstance(meaning, Constant) else None

    def written(self) -> Tensor | None:
        """The tensor argument that the operation writes in place."""
        if self.name in BATCH_NORMS:  # its running statistics are not the output
            return None
        return next((self.bound[n] for n in self._writes if isinstance(self.bound.get(n), Tensor)), None)

    def first_data(self) -> Tensor:
        """The first tensor argument that depends on the input."""
        return self.arguments[self.slots[0]]


def describe_operation(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
    """(name, settings, the parameters it uses by their part: weight, bias, other)."""
    describe = _DESCRIBED.get(call.name) or _DESCRIBED.get(call.name.rstrip("_"))
    if describe is not None:
        return describe(call, output)
    plain = call.name.rstrip("_") if call.name.rstrip("_") in SAME_NAME else call.name
    if plain in SAME_NAME:
        return SAME_NAME[plain], {}, _all_names(call)
    if call.name in KEEPS_ORDER:
        return "view", {}, {}
    if call.name in REORDERS:
        return "permute", {}, {}
    if call.name in TAKES_PART:
        whole = len(call.data) == 1 and list(output.shape) == call.data_shapes[0] and call.name == "slice"
        return ("view" if whole else "slice"), {}, {}
    return call.name.strip("_"), {}, _all_names(call)


def _all_names(call: Call) -> dict[str, str]:
    names = [name for constant in call.constants for name in constant.names]
    return {"weight" if index == 0 else f"weight{index}": name for index, name in enumerate(dict.fromkeys(names))}


def _named(call: Call, **parts: Any) -> dict[str, str]:
    """The parameters' names by part, for those arguments that are made of parameters."""
    found = {part: call.constant(value) for part, value in parts.items()}
    return {part: constant.names[0] for part, constant in found.items() if constant and constant.names}


def _numbers(values: Any, count: int) -> list[int]:
    """A list of `count` whole numbers from torch's short forms ([2] for both directions)."""
    listed = [int(value) for value in (values if isinstance(values, Sequence) else [values])]
    return listed * count if len(listed) == 1 else listed


# ---- Layers with weights --------------------------------------------------------------------------------------------


def _convolution(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
    bound = call.bound
    weight = bound["weight"]
    count = weight.dim() - 2
    transposed = bool(bound.get("transposed"))
    groups = int(bound["groups"])
    settings = {
        "kernel": [int(size) for size in weight.shape[2:]],
        "stride": _numbers(bound["stride"], count),
        "padding": _numbers(bound["padding"], count),
        "dilation": _numbers(bound["dilation"], count),
        "groups": groups,
        "in_channels": int(weight.shape[0] if transposed else weight.shape[1] * groups),
        "out_channels": int(weight.shape[1] * groups if transposed else weight.shape[0]),
        "has_bias": bound.get("bias") is not None,
    }
    if transposed:
        settings["output_padding"] = _numbers(bound["output_padding"], count)
    return (
        "transposed_convolution" if transposed else "convolution",
        settings,
        _named(call, weight=weight, bias=bound.get("bias")),
    )


def _product(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
    """A matrix product: a linear layer where one factor depends on the input and the other does not."""
    bound, name = call.bound, call.name
    left, right = _factors(bound, name)
    if call.depends(left) == call.depends(right):
        return "matmul", {}, _all_names(call)
    weight = right if call.depends(left) else left
    if name == "linear" and weight.dim() == 2:
        wide, narrow = weight.shape[1], weight.shape[0]
    elif weight is right:
        wide, narrow = (weight.shape[-2], weight.shape[-1]) if weight.dim() > 1 else (weight.shape[0], 1)
    else:
        wide, narrow = weight.shape[-1], (weight.shape[-2] if weight.dim() > 1 else 1)
    added = bound.get("self" if name in ("addmm", "addmv", "baddbmm") else "bias")
    settings = {"in_features": int(wide), "out_features": int(narrow), "has_bias": isinstance(added, Tensor)}
    return "linear", settings, _named(call, weight=weight, bias=added)


def _factors(bound: Settings, name: str) -> tuple[Tensor, Tensor]:
    pairs = {"addmm": ("mat1", "mat2"), "baddbmm": ("batch1", "batch2"), "addmv": ("mat", "vec"), "mv": ("self", "vec"),
             "mm": ("self", "mat2"), "bmm": ("self", "mat2"), "linear": ("input", "weight"),
             "dot": ("self", "tensor"), "matmul": ("self", "other")}  # fmt: skip
    left, right = pairs[name]
    return bound[left], bound[right]


def _batch_norm(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
    bound = call.bound
    training = bound.get("training", "no_training" not in call.name and "no_update" not in call.name)
    running = bound.get("running_mean")
    settings = {
        "features": int(output.shape[1]) if output.dim() > 1 else 1,
        "uses_batch_statistics": bool(training),
        "has_running_statistics": isinstance(running, Tensor),
        "affine": isinstance(bound.get("weight"), Tensor),
        "eps": float(bound.get("eps", 0.0)),
        "momentum": float(bound.get("momentum", 0.0)),
    }
    parts = {"running_mean": running, "running_var": bound.get("running_var")}
    return "batch_norm", settings, _named(call, weight=bound.get("weight"), bias=bound.get("bias"), **parts)


def _other_norm(name: str) -> Callable[[Call, Tensor], tuple[str, Settings, dict[str, str]]]:
    return lambda call, output: (name, {}, _named(call, weight=call.bound.get("weight"), bias=call.bound.get("bias")))


# ---- Pooling and up-sampling ----------------------------------------------------------------------------------------


def _pool(name: str) -> Callable[[Call, Tensor], tuple[str, Settings, dict[str, str]]]:
    def describe(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
        bound = call.bound
        count = 1 if "1d" in call.name else 3 if "3d" in call.name else 2
        kernel = _numbers(bound["kernel_size"], count)
        settings = {
            "kernel": kernel,
            "stride": _numbers(bound.get("stride") or kernel, count),
            "padding": _numbers(bound.get("padding", 0), count),
            "dilation": _numbers(bound.get("dilation", 1), count),
            "ceil_mode": bool(bound.get("ceil_mode", False)),
        }
        return name, settings, {}

    return describe


def _adaptive(name: str) -> Callable[[Call, Tensor], tuple[str, Settings, dict[str, str]]]:
    """A pooling whose kernel follows from the sizes; it has an ordinary one only where they divide."""

    def describe(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
        before, after = call.data_shapes[0][2:], list(output.shape[2:])
        if any(old % new for old, new in zip(before, after, strict=True) if new):
            return name, {"adaptive": True, "output_size": after}, {}
        return name, _whole_pool([old // max(new, 1) for old, new in zip(before, after, strict=True)]), {}

    return describe


def _reduced(name: str) -> Callable[[Call, Tensor], tuple[str, Settings, dict[str, str]]]:
    """`mean` or `amax` over all pixels is a pooling; over anything else it keeps torch's name."""

    def describe(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
        shape = call.data_shapes[0]
        dims = call.bound.get("dim")
        dims = dims if isinstance(dims, Sequence) else [] if dims is None else [dims]
        over = sorted(int(dim) % len(shape) for dim in dims) if shape else []
        if len(shape) == 4 and over == [2, 3]:
            return name, _whole_pool(shape[2:]), {}
        return call.name, {"dims": over}, {}

    return describe


def _whole_pool(kernel: list[int]) -> Settings:
    count = len(kernel)
    return {"kernel": kernel, "stride": list(kernel), "padding": [0] * count, "dilation": [1] * count,
            "ceil_mode": False}  # fmt: skip


def _upsample(name: str) -> Callable[[Call, Tensor], tuple[str, Settings, dict[str, str]]]:
    def describe(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
        before, after = call.data_shapes[0][2:], output.shape[2:]
        settings: Settings = {"scale": [new / max(old, 1) for new, old in zip(after, before, strict=True)]}
        if "align_corners" in call.bound:
            settings["align_corners"] = bool(call.bound["align_corners"])
        return name, settings, {}

    return describe


# ---- Activations ----------------------------------------------------------------------------------------------------


def _clamp(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
    """clamp, clamp_min, hardtanh, threshold: a ReLU where they cut at 0 from below, and only there."""
    bound = call.bound
    if call.name.startswith("threshold"):
        low, high = bound["threshold"], None
        if bound["value"] != low:
            return "threshold", {"threshold": float(low), "value": float(bound["value"])}, {}
    else:
        low = bound.get("min", bound.get("min_val"))
        high = bound.get("max", bound.get("max_val"))
    low, high = _number(low), _number(high)
    if low == 0 and high is None:
        return "relu", {}, {}
    if low == 0 and high == 6:
        return "relu6", {}, {}
    return "clamp", {"min": low, "max": high}, {}


def _number(value: Any) -> float | None:
    """A number or a tensor whose entries are all the same number; NaN for any other tensor, None for nothing."""
    if value is None:
        return None
    if not isinstance(value, Tensor):
        return float(value)
    if not value.numel():
        return float("nan")
    first = value.flatten()[0]
    return float(first) if bool((value == first).all()) else float("nan")


def _maximum(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
    """`torch.maximum(x, zeros)` is a ReLU."""
    others = [argument for argument in call.arguments if not call.depends(argument)]
    if call.name == "maximum" and len(others) == 1 and _number(others[0]) == 0:
        return "relu", {}, {}
    return call.name, {}, _all_names(call)


def _leaky(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
    slope = float(call.bound.get("negative_slope", 0.01))
    return ("leaky_relu", {"slope": slope}, {}) if slope else ("relu", {}, {})


def _elu(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
    return "elu", {"alpha": float(call.bound.get("alpha", 1)), "scale": float(call.bound.get("scale", 1))}, {}


def _softmax(name: str) -> Callable[[Call, Tensor], tuple[str, Settings, dict[str, str]]]:
    return lambda call, output: (name, {"dim": int(call.bound["dim"]) % max(output.dim(), 1)}, {})


# ---- Arithmetic, joins, chance --------------------------------------------------------------------------------------


def _arithmetic(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
    """add, sub, mul, div: of two values a join; with a mask of chance a dropout; with drawn numbers noise."""
    name = {"sub": "sub", "rsub": "rsub", "add": "add", "mul": "mul", "div": "div"}[call.name.rstrip("_")]
    if len(call.data) > 1:
        return name, {}, {}
    constant = next((one for one in call.constants if one.random), None)
    others = [argument for argument in call.arguments if not call.depends(argument)]
    if constant is not None and name in ("mul", "div"):
        return _dropped(constant, others[0])
    if constant is not None:
        return "noise", {"std": float(others[0].float().std()) if others[0].numel() > 1 else 0.0}, {}
    given = others[0] if others else call.bound.get("other")
    value = _number(given)
    settings: Settings = {"constant": None if value is None or value != value else value}
    if isinstance(given, Tensor):
        settings["constant_shape"] = list(given.shape)
    return name, settings, _all_names(call)


def _dropped(constant: Constant, mask: Tensor) -> tuple[str, Settings, dict[str, str]]:
    """Multiplication with a mask of chance; p is read off the mask where torch did not say it."""
    p = 1 - constant.keep if constant.keep is not None else float((mask == 0).float().mean())
    return "dropout", {"p": round(p, 4), "whole_channels": mask.dim() > 2 and mask.shape[-1] == 1}, {}


def _native_dropout(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
    if call.bound.get("train") is False:
        return "view", {}, {}
    return "dropout", {"p": float(call.bound["p"]), "whole_channels": False}, {}


def _joined(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
    return call.name, {"dim": int(call.bound.get("dim", 0)) % max(output.dim(), 1)}, {}


def _padded(mode: str) -> Callable[[Call, Tensor], tuple[str, Settings, dict[str, str]]]:
    def describe(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
        sides = [int(side) for side in call.bound.get("pad", call.bound.get("padding", ()))]
        value = float(call.bound.get("value", 0)) if mode == "constant" else 0.0
        return "pad", {"sides": sides, "mode": mode, "value": value}, {}

    return describe


def _compared(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
    return call.name, {"constant": _number(call.bound.get("other")) if len(call.data) == 1 else None}, {}


def _chosen(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
    """`where(condition, x, y)`: which branch is a constant, and which."""
    bound = call.bound
    settings = {
        f"constant_{side}": None if call.depends(bound.get(name)) else _number(bound.get(name))
        for side, name in (("then", "self"), ("else", "other"))
    }
    return "where", settings, {}


def _summed(call: Call, output: Tensor) -> tuple[str, Settings, dict[str, str]]:
    dims = call.bound.get("dim")
    listed = dims if isinstance(dims, Sequence) else [] if dims is None else [dims]
    count = len(call.data_shapes[0]) or 1
    return call.name, {"dims": sorted(int(dim) % count for dim in listed)}, {}


_DESCRIBED: dict[str, Callable[[Call, Tensor], tuple[str, Settings, dict[str, str]]]] = {
    "convolution": _convolution,
    "_convolution": _convolution,
    **dict.fromkeys(MULTIPLIES, _product),
    **dict.fromkeys(BATCH_NORMS, _batch_norm),
    "native_layer_norm": _other_norm("layer_norm"),
    "native_group_norm": _other_norm("group_norm"),
    **dict.fromkeys(("max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices",
                     "max_pool3d_with_indices"), _pool("max_pool")),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), _pool("avg_pool")),
    **dict.fromkeys(("_adaptive_avg_pool2d", "adaptive_avg_pool2d", "adaptive_avg_pool1d"), _adaptive("avg_pool")),
    **dict.fromkeys(("adaptive_max_pool2d", "adaptive_max_pool1d"), _adaptive("max_pool")),
    "mean": _reduced("avg_pool"),
    "amax": _reduced("max_pool"),
    **dict.fromkeys(("upsample_nearest1d", "upsample_nearest2d", "_upsample_nearest_exact2d"),
                    _upsample("upsample_nearest")),
    "upsample_bilinear2d": _upsample("upsample_bilinear"),
    "_upsample_bilinear2d_aa": _upsample("upsample_bilinear"),
    "upsample_bicubic2d": _upsample("upsample_bicubic"),
    **dict.fromkeys(("clamp", "clamp_min", "hardtanh", "threshold"), _clamp),
    "maximum": _maximum,
    "leaky_relu": _leaky,
    "elu": _elu,
    "_softmax": _softmax("softmax"),
    "softmax": _softmax("softmax"),
    "_log_softmax": _softmax("log_softmax"),
    "log_softmax": _softmax("log_softmax"),
    **dict.fromkeys(("add", "sub", "mul", "div", "rsub"), _arithmetic),
    "native_dropout": _native_dropout,
    "cat": _joined,
    "stack": _joined,
    "constant_pad_nd": _padded("constant"),
    "reflection_pad2d": _padded("reflect"),
    "replication_pad2d": _padded("replicate"),
    **dict.fromkeys(("gt", "ge", "lt", "le"), _compared),
    "where": _chosen,
    **dict.fromkeys(("sum", "logsumexp"), _summed),
}  # fmt: skip
"""By torch's name; the same name with a trailing underscore is the operation in place."""
