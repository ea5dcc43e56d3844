"""What travels between the grader and the worker, and what is refused."""

import contextlib
import sys
from collections import OrderedDict, namedtuple
from enum import IntEnum

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from msgspec.msgpack import Ext

from autograder.sandbox import wire


def refuse(value):
    raise wire.WireError(f"not plain: {value!r}")


TRUSTED = wire.Codec(refuse, lambda code, payload: (code, payload))
WORKER = wire.Codec(refuse, lambda code, payload: (code, payload), writable=True)
ENCODE = msgspec.msgpack.encode


def travel(value, by=TRUSTED):
    (arrived,) = by.decode(TRUSTED.encode([value]))
    return arrived


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
hashable = st.none() | st.booleans() | st.integers() | st.text() | st.tuples(st.integers(), st.text())
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(hashable, inner)
        | st.sets(hashable)
        | st.frozensets(hashable)
    ),
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(values)
def test_plain_data_arrives_equal_and_of_the_same_type(value):
    arrived = travel(value)
    assert arrived == value
    assert type(arrived) is type(value)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    npst.arrays(
        st.sampled_from(sorted(wire.DTYPES)), npst.array_shapes(min_dims=0, min_side=0, max_side=4), elements=None
    )
)
def test_an_array_keeps_its_dtype_shape_and_bits(array):
    arrived = travel(array)
    assert (arrived.dtype, arrived.shape) == (array.dtype, array.shape)
    assert arrived.tobytes() == array.tobytes()


def test_an_array_arrives_read_only_on_the_trusted_side_and_fresh_and_writable_in_the_worker():
    array = np.arange(6.0).reshape(2, 3)
    with pytest.raises(ValueError, match="read-only"):
        travel(array)[0, 0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        travel(array).flags.writeable = True
    fresh = travel(array, WORKER)
    fresh[0, 0] = 99
    assert array[0, 0] == 0


@pytest.mark.parametrize(
    ("layout", "flags"),
    [
        (lambda a: a, (True, False)),
        (lambda a: a.T, (False, True)),
        (lambda a: a[:, ::2], (False, False)),
    ],
)
def test_the_worker_sees_the_memory_layout_the_check_chose(layout, flags):
    array = layout(np.arange(24.0).reshape(4, 6))
    arrived = travel(array, WORKER)
    assert (arrived.flags.c_contiguous, arrived.flags.f_contiguous) == flags
    np.testing.assert_array_equal(arrived, array)


def test_big_endian_numbers_arrive_native():
    arrived = travel(np.array([1.5, -2.0], ">f8"))
    assert arrived.dtype == np.dtype("f8")
    assert arrived.tolist() == [1.5, -2.0]


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_subclasses_of_plain_types_arrive_as_the_plain_type():
    colour = IntEnum("Colour", "RED")
    point = namedtuple("point", "x y")
    assert travel([colour.RED, point(1, 2), OrderedDict(a=1), np.asmatrix([[1.0]])]) == [1, (1, 2), {"a": 1}, [[1.0]]]
    assert type(travel(point(1, 2))) is tuple
    assert type(travel(np.asmatrix([[1.0]]))) is np.ndarray


def test_text_that_is_not_unicode_arrives_with_replacements():
    assert travel("a\udc80b") == "a?b"


@pytest.mark.parametrize("value", [np.array([object()]), np.array(["text"]), np.zeros(2, "f4,i4"), object()])
def test_what_is_not_plain_data_goes_to_the_object_hook(value):
    with pytest.raises(wire.WireError, match="not plain"):
        TRUSTED.encode([value])


def test_a_container_that_contains_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(wire.WireError, match="contains itself"):
        TRUSTED.encode([loop])


def test_an_integer_of_a_million_bits_is_refused():
    with pytest.raises(wire.WireError, match="bits"):
        TRUSTED.encode([1 << 1_000_000])


def nested(depth):
    body = ENCODE([])
    for _ in range(depth):
        body = ENCODE([Ext(wire.LIST, body)])
    return message(Ext(wire.LIST, body))


def message(value):
    return ENCODE([value])


def array_message(dtype="<f8", order="C", data=b"", shape=(0,)):
    return message(Ext(wire.ARRAY, ENCODE([dtype, order, Ext(wire.BYTES, data), *shape])))


HOSTILE = {
    "not MessagePack": b"\xc1",
    "nothing": b"",
    "a value without its list": ENCODE(1),
    "a declared length of four billion at the top": b"\xdd\xff\xff\xff\xff",
    "trailing bytes": message(1) + b"x",
    "a bare list": message([1]),
    "a bare map": message({"a": 1}),
    "too deep": nested(wire.MAX_DEPTH + 2),
    "very deep": nested(3000),
    "a declared length of four billion": message(Ext(wire.LIST, b"\xdd\xff\xff\xff\xff")),
    "an unknown kind": message(Ext(99, ENCODE([]))),
    "a timestamp": message(Ext(-1, b"\x00" * 4)),
    "a tensor of objects": message(Ext(wire.TENSOR, ENCODE(["|O", "C", Ext(wire.BYTES, b""), 0]))),
    "an object array": array_message("|O", data=b"\x00" * 8, shape=(1,)),
    "a text array": array_message("<U1", data=b"\x00" * 4, shape=(1,)),
    "a record array": array_message("f4,i4", data=b"\x00" * 8, shape=(1,)),
    "a dtype that is code": array_message("__import__('os')"),
    "a shape larger than its data": array_message(data=b"\x00" * 8, shape=(2**30, 2**30)),
    "a shape smaller than its data": array_message(data=b"\x00" * 16, shape=(1,)),
    "a negative size": array_message(data=b"\x00" * 8, shape=(-1,)),
    "a size that is no integer": array_message(data=b"\x00" * 8, shape=(1.0,)),
    "a thousand dimensions": array_message(data=b"\x00" * 8, shape=(1,) * 1000),
    "an unknown order": array_message(order="Z"),
    "booleans of 7": array_message("|b1", data=b"\x07", shape=(1,)),
    "an array without data": message(Ext(wire.ARRAY, ENCODE(["<f8", "C", 0, 0]))),
    "a scalar with a shape": message(Ext(wire.SCALAR, ENCODE(["<f8", "C", Ext(wire.BYTES, b"\0" * 8), 1]))),
    "a complex of text": message(Ext(wire.COMPLEX, ENCODE(["a", "b"]))),
    "a complex of three": message(Ext(wire.COMPLEX, ENCODE([1, 2, 3]))),
    "a huge integer": message(Ext(wire.INTEGER, b"\xff" * 10_000)),
    "a dict with half a pair": message(Ext(wire.DICT, ENCODE([1]))),
    "a dict with a list as key": message(Ext(wire.DICT, ENCODE([Ext(wire.LIST, ENCODE([])), 1]))),
    "a set of lists": message(Ext(wire.SET, ENCODE([Ext(wire.LIST, ENCODE([]))]))),
}


@pytest.mark.parametrize("forged", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_message_that_is_none_is_refused_as_such(forged):
    with pytest.raises(wire.WireError):
        TRUSTED.decode(forged)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_a_damaged_message_is_refused_or_read_but_never_breaks_the_reader(data):
    damaged = bytearray(TRUSTED.encode([{"W": np.ones((2, 2))}, (1, "a"), {3}, 2**99]))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(wire.WireError):
        TRUSTED.decode(bytes(damaged))


class TestTensors:
    """Only where torch is installed: the NumPy homeworks grade without it."""

    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch", reason="the torch extra is not installed")

    @pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
    def test_a_tensor_arrives_as_a_detached_copy_of_the_same_dtype(self, torch, dtype):
        tensor = torch.tensor([[0, 1], [1, 0]]).to(getattr(torch, dtype))
        arrived = travel(tensor)
        assert arrived.dtype == tensor.dtype
        assert torch.equal(arrived, tensor)
        arrived[0, 0] = 1
        assert tensor[0, 0] == 0

    def test_a_parameter_arrives_without_its_graph(self, torch):
        parameter = torch.nn.Parameter(torch.ones(2))
        arrived = travel((parameter * 2).sum())
        assert arrived.item() == 4
        assert not arrived.requires_grad

    def test_half_precision_of_the_brain_kind_arrives_as_single(self, torch):
        assert travel(torch.ones(2, dtype=torch.bfloat16)).dtype == torch.float32

    def test_a_tensor_in_an_assignment_without_torch_is_refused(self, monkeypatch):
        monkeypatch.delitem(sys.modules, "torch", raising=False)
        forged = message(Ext(wire.TENSOR, ENCODE(["<f8", "C", Ext(wire.BYTES, b""), 0])))
        with pytest.raises(wire.WireError, match="does not use torch"):
            TRUSTED.decode(forged)
