"""Hypothesis strategies for inputs of the targets that are nearly right: every rule kept, but for one or two."""

from __future__ import annotations

import struct

import msgspec
from hypothesis import strategies as st
from msgspec.msgpack import Ext
from targets import MOST_BYTES, NAMES, SEPARATOR

from autograder.sandbox import wire

encode = msgspec.msgpack.encode

plain = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5)
dtypes = st.sampled_from([*wire.DTYPES, "|O", "<U4", ">f8", "<f16", "", "f"]) | st.text(max_size=3)
sizes = st.integers(0, 4) | st.sampled_from([-1, 2**31, 2**63, 2**64 - 1, 65536, True])


@st.composite
def arrays(draw: st.DrawFn) -> bytes:
    """An array's payload: most of the time its length fits its shape and dtype."""
    name, shape = draw(dtypes), draw(st.lists(sizes, max_size=4))
    length = 1
    for size in shape:
        length *= max(int(size), 0)
    width = wire.DTYPES[name].itemsize if name in wire.DTYPES else 8
    length = min(length * width, 4000) if draw(st.integers(0, 4)) else draw(st.integers(0, 64))
    parts = [name, draw(st.sampled_from(["C", "F", "strided", "", 1])), Ext(wire.BYTES, bytes(length)), *shape]
    return encode(parts[: draw(st.integers(0, 3))] if draw(st.integers(0, 9)) == 0 else parts)


def containers(inner: st.SearchStrategy) -> st.SearchStrategy:
    """Extensions around others: known codes and unknown ones, right payloads and any bytes."""
    codes = st.integers(1, 13) | st.integers(-128, 127)
    leaf_codes = st.sampled_from([wire.ARRAY, wire.SCALAR, wire.TENSOR])
    return (
        st.builds(lambda code, items: Ext(code, encode(items)), codes, st.lists(inner, max_size=4))
        | st.builds(Ext, leaf_codes, arrays())
        | st.builds(Ext, codes, st.binary(max_size=20))
    )


values = st.recursive(plain, containers, max_leaves=12)


@st.composite
def deep(draw: st.DrawFn) -> bytes:
    """A value inside as many containers as are allowed, about."""
    body = encode([draw(values)])
    for _ in range(draw(st.integers(0, wire.MAX_DEPTH + 3))):
        body = encode([Ext(draw(st.integers(1, 5)), body)])
    return body


messages = st.lists(values, max_size=4).map(encode) | deep() | st.binary(max_size=60)

_handles = st.lists(plain | st.sampled_from(["object", "callable", 1, -1]), max_size=6).map(
    lambda items: Ext(wire.HANDLE, encode(items))
)
_mirrors = st.dictionaries(st.integers(0, 3), values, max_size=2).map(
    lambda pairs: Ext(wire.DICT, encode([part for pair in pairs.items() for part in pair]))
)
_answers = (
    st.tuples(st.just("ok"), values | _handles, st.none() | _mirrors | values).map(list)
    | st.tuples(st.just("error"), plain, plain, values).map(list)
    | st.tuples(
        st.just("callback"),
        st.integers(0, 2),
        st.sampled_from(["forward", "backward", ""]),
        st.lists(values, max_size=2).map(lambda items: Ext(wire.TUPLE, encode(items))),
        _mirrors,
        _mirrors,
    ).map(list)
    | st.lists(values, max_size=4)
).map(encode)
_loaded = st.tuples(
    st.just("loaded") | plain,
    st.lists(st.tuples(st.sampled_from(["info", "warning", "error", "x"]), plain, plain).map(list), max_size=3) | plain,
    st.dictionaries(st.text(max_size=3), st.lists(plain, max_size=4), max_size=2) | plain,
).map(lambda parts: b"\x07" + encode(list(parts)))

conversations = (
    st.builds(
        lambda kind, bodies: bytes([kind]) + SEPARATOR.join(bodies), st.integers(0, 5), st.lists(_answers, max_size=5)
    )
    | st.builds(lambda size, body: b"\x06" + struct.pack("<I", size) + body, st.integers(0, 2**32 - 1), _answers)
    | _loaded
)

_sources = st.sampled_from(["import numpy as np\n", "def f(x):\n\treturn x\n", "x = 'é'\n", "# coding: {}\n", "\0", ""])
_encodings = st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp1252", "gbk", "utf-7"])
_texts = st.builds(
    lambda lines, encoding, damage: "".join(lines).replace("{}", encoding).encode(encoding, "replace") + damage,
    st.lists(_sources, max_size=6),
    _encodings,
    st.binary(max_size=4),
)
_cells = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown", "raw", 3])},
    optional={
        "source": st.lists(st.sampled_from(["%time x\n", "!ls\n", "x = 1\n", "%%bash\n", "f?\n", "  y\n"]), max_size=5)
        | st.text(max_size=20)
        | st.integers(),
        "metadata": st.just({}),
        "outputs": st.just([]) | st.none(),
    },
)
_notebooks = st.fixed_dictionaries(
    {"nbformat": st.sampled_from([4, 3, 2, 1, 5, "4", None]), "cells": st.lists(_cells, max_size=4) | st.none()},
    optional={
        "nbformat_minor": st.integers(0, 6) | st.none(),
        "metadata": st.just({}) | st.just({"kernelspec": {"language": "python"}}) | st.none() | st.just([]),
        "worksheets": st.lists(st.just({"cells": []}), max_size=2) | st.none(),
    },
).map(msgspec.json.encode)
_parts = st.lists(
    st.builds(
        lambda name, body: bytes([name]) + body,
        st.integers(0, len(NAMES) - 1),
        _texts | _notebooks | st.binary(max_size=80),
    ),
    max_size=8,
).map(SEPARATOR.join)

submissions = st.builds(lambda kind, body: (bytes([kind]) + body)[:MOST_BYTES], st.integers(3, 6), _parts) | st.builds(
    lambda kind, body: bytes([kind]) + body, st.integers(0, 2), _texts | _notebooks
)

INPUTS = {"wire": messages, "answers": conversations, "collect": submissions}
