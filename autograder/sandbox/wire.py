"""The message format between the trusted side and the worker: values only, no code.

A message is one flat MessagePack list of values. Scalars are native; every container, array, handle and stand-in is
an extension whose payload is again a *flat* list of values, so that a decoder can refuse a bad kind, depth or size
before it builds anything. Both sides use the same :class:`Codec`; what differs is how they *make* containers, arrays
and objects: the trusted side makes read-only copies and proxies, the worker makes fresh writable objects.

Frames on a byte stream carry a 4-byte little-endian length first (:func:`frame`).
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from msgspec.msgpack import Ext

HEADER = struct.Struct("<I")

# Bounds on anything decoded. A frame's own size is bounded by the policy before it is read.
MAX_DEPTH = 32
MAX_ANSWER_DEPTH = 24
"""Of what the worker says: so that a check can hand it back inside something else."""
MAX_ITEMS = 1_000_000
"""In a whole message, since a few bytes may become an object of a hundred."""
MAX_PARTS = 200_000
"""Containers, arrays and everything else in a message that is more than a number or a text."""
MAX_KEYS = 10_000
"""In dicts and sets, other than text: all of them can be made to have one hash, and then cost the square of it."""
MAX_INTEGER_BYTES = 128
MAX_DIMENSIONS = 32

# Extension codes. They are the whole vocabulary: there is no code for a pickle, a class or an object array.
TUPLE, LIST, DICT, SET, FROZENSET, COMPLEX, INTEGER, BYTES, ARRAY, SCALAR, TENSOR, HANDLE, STAND_IN = range(1, 14)

UNANSWERED = ("begin", "set", "set_item", "make", "do")
"""Operations that the trusted side does not wait for: what goes wrong in them comes with the next answer."""

DTYPES = {
    np.dtype(name).str: np.dtype(name)
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
    )
}
"""Numbers and booleans, by NumPy's short name of their native form ("<f8"): what an array may be made of."""

_Plain = None | bool | int | float | str | Ext
_decode_list = msgspec.msgpack.Decoder(list[_Plain]).decode
_encode = msgspec.msgpack.Encoder().encode


class WireError(Exception):
    """A value that cannot travel, or bytes that are not a message; the text says which and why."""


def frame(body: bytes) -> bytes:
    """`body` with its length in front, ready for a stream."""
    return HEADER.pack(len(body)) + body


class _Room:
    """What may still come in one message."""

    __slots__ = ("items", "keys", "parts")

    def __init__(self) -> None:
        self.items, self.parts, self.keys = MAX_ITEMS, MAX_PARTS, MAX_KEYS

    def list_of(self, data: bytes) -> list[Any]:
        """The flat list in `data`, refused by its declared length before anything is built."""
        self.items -= _declared_length(data)
        if self.items < 0:
            raise WireError(f"a message of more than {MAX_ITEMS:,} items")
        return _decode_list(data)

    def take_part(self) -> None:
        self.parts -= 1
        if self.parts < 0:
            raise WireError(f"a message of more than {MAX_PARTS:,} containers and arrays")

    def take_keys(self, keys: Iterable[Any]) -> None:
        self.keys -= sum(type(key) is not str for key in keys)
        if self.keys < 0:
            raise WireError(f"a message of more than {MAX_KEYS:,} keys that are no text")


@dataclass(frozen=True)
class Codec:
    """Encodes and decodes values; the four callables say how this side of the wire treats what is not plain data.

    - `pack_object(value) -> (code, payload)`: how a non-plain object leaves (a handle or a stand-in).
    - `make_object(code, payload) -> object`: what stands for an arriving handle or stand-in.
    - `make_list(items)`, `make_dict(pairs)`: the list and dict types to build.
    - `writable`: whether arriving arrays are fresh writable copies in the sender's memory layout (the worker) or
      read-only views of the message (the trusted side).
    - `max_depth`: how deeply an arriving value may nest.
    """

    pack_object: Callable[[Any], tuple[int, list[Any]]]
    make_object: Callable[[int, list[Any]], Any]
    make_list: Callable[[Iterable[Any]], list[Any]] = list
    make_dict: Callable[[Iterable[tuple[Any, Any]]], dict[Any, Any]] = dict
    writable: bool = False
    max_depth: int = MAX_DEPTH

    def encode(self, values: Iterable[Any]) -> bytes:
        """One message.

        Raises:
            WireError: the value nests too deeply (or contains itself) or holds an integer beyond the bound.
        """
        return _encode([self._pack(value, 0) for value in values])

    def decode(self, data: bytes) -> list[Any]:
        """The values of one message.

        Raises:
            WireError: the bytes are not a message of this format, or exceed a bound.
        """
        room = _Room()
        try:
            return [self._unpack(value, 0, room) for value in room.list_of(data)]
        except (msgspec.DecodeError, ValueError, struct.error, RecursionError, OverflowError, MemoryError) as error:
            raise WireError(f"not a message of this format: {error}") from None

    # -- packing ------------------------------------------------------------------------------------------------

    def _pack(self, value: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise WireError(f"the value nests deeper than {MAX_DEPTH} levels, or contains itself")
        kind = type(value)
        if value is None or kind is bool or kind is float:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**64 else _pack_large_integer(value)
        if kind is str:
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
        if isinstance(value, np.ndarray):
            packed = _pack_array(value)
            return packed if packed is not None else self._pack_as_object(value, depth)
        if isinstance(value, np.generic):
            return _pack_numpy_scalar(value) or self._pack_as_object(value, depth)
        return self._pack_other(value, depth)

    def _pack_other(self, value: Any, depth: int) -> Any:
        """Containers, subclasses of plain types, tensors; anything else is an object."""
        if isinstance(value, tuple):
            return self._pack_items(TUPLE, tuple.__iter__(value), depth)
        if isinstance(value, list):
            return self._pack_items(LIST, list.__iter__(value), depth)
        if isinstance(value, dict):
            return self._pack_items(DICT, [part for pair in dict.items(value) for part in pair], depth)
        if isinstance(value, set | frozenset):
            code = SET if isinstance(value, set) else FROZENSET
            return self._pack_items(code, _sorted_if_possible(value), depth)
        if isinstance(value, bytes | bytearray):
            return Ext(BYTES, bytes(value))
        if isinstance(value, complex):
            return Ext(COMPLEX, _encode([value.real, value.imag]))
        for plain in (int, float, str):  # subclasses, an IntEnum say, travel as their plain value
            if isinstance(value, plain):
                return self._pack(plain(value), depth + 1)
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            return _pack_tensor(value, torch)
        return self._pack_as_object(value, depth)

    def _pack_items(self, code: int, items: Iterable[Any], depth: int) -> Ext:
        return Ext(code, _encode([self._pack(item, depth + 1) for item in items]))

    def _pack_as_object(self, value: Any, depth: int) -> Ext:
        code, payload = self.pack_object(value)
        return self._pack_items(code, payload, depth)

    # -- unpacking ----------------------------------------------------------------------------------------------

    def _unpack(self, value: Any, depth: int, room: _Room) -> Any:
        if type(value) is not Ext:
            return value
        if depth > self.max_depth:
            raise WireError(f"the message nests deeper than {self.max_depth} levels")
        room.take_part()
        code, data = value.code, bytes(value.data)
        if code == ARRAY:
            return self._unpack_array(data)
        if code == BYTES:
            return data
        if code == INTEGER:
            return _unpack_large_integer(data)
        if code == COMPLEX:
            return complex(*_numbers(data, 2))
        if code == SCALAR:
            return _unpack_numpy_scalar(data)
        if code == TENSOR:
            return self._unpack_tensor(data)
        return self._unpack_container(code, data, depth, room)

    def _unpack_container(self, code: int, data: bytes, depth: int, room: _Room) -> Any:
        items = [self._unpack(item, depth + 1, room) for item in room.list_of(data)]
        if code == LIST:
            return self.make_list(items)
        if code == TUPLE:
            return tuple(items)
        try:
            if code == DICT:
                if len(items) % 2:
                    raise WireError("a dict with a key and no value")
                room.take_keys(items[::2])
                return self.make_dict(zip(items[::2], items[1::2], strict=True))
            if code in (SET, FROZENSET):
                room.take_keys(items)
                return set(items) if code == SET else frozenset(items)
        except TypeError:
            raise WireError("a dict or set with an unhashable entry") from None
        if code in (HANDLE, STAND_IN):
            return self.make_object(code, items)
        raise WireError(f"extension code {code} is not part of this format")

    def _unpack_array(self, data: bytes) -> np.ndarray:
        array, order = _unpack_array_view(data)
        if not self.writable:
            return array
        if order == "strided":
            return _strided_copy(array)
        return np.array(array, order="F" if order == "F" else "C")

    def _unpack_tensor(self, data: bytes) -> Any:
        torch = sys.modules.get("torch")
        if torch is None:
            raise WireError("a tensor came, but this assignment does not use torch")
        array, _ = _unpack_array_view(data)
        return torch.from_numpy(np.array(array))


def _sorted_if_possible(items: Iterable[Any]) -> list[Any]:
    """A set's items in an order that does not depend on the interpreter's hash seed, where they can be ordered."""
    items = list(items)
    try:
        return sorted(items)
    except TypeError:
        return items


def _declared_length(data: bytes) -> int:
    """The number of items that a list says it has; 0 for what is no list, which the decoder then refuses."""
    marker = data[0] if data else 0
    if 0x90 <= marker <= 0x9F:
        return marker & 0x0F
    if marker == 0xDC and len(data) >= 3:
        return int.from_bytes(data[1:3], "big")
    if marker == 0xDD and len(data) >= 5:
        return int.from_bytes(data[1:5], "big")
    return 0


def _numbers(data: bytes, count: int) -> list[float]:
    items = _decode_list(data)
    if len(items) != count or not all(isinstance(item, int | float) for item in items):
        raise WireError(f"{count} numbers were expected")
    return items  # type: ignore[return-value]


def _pack_large_integer(value: int) -> Ext:
    length = (value.bit_length() + 8) // 8
    if length > MAX_INTEGER_BYTES:
        raise WireError(f"an integer of {value.bit_length():,} bits; at most {8 * MAX_INTEGER_BYTES:,} travel")
    return Ext(INTEGER, value.to_bytes(length, "little", signed=True))


def _unpack_large_integer(data: bytes) -> int:
    if len(data) > MAX_INTEGER_BYTES:
        raise WireError(f"an integer of {len(data):,} bytes; at most {MAX_INTEGER_BYTES} travel")
    return int.from_bytes(data, "little", signed=True)


def _pack_array(value: np.ndarray) -> Ext | None:
    """`value` by value in base-class form; None for a dtype that has no plain memory (objects, records, text)."""
    array = np.asarray(value)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)  # an extended double differs between machines
    if array.dtype.str not in DTYPES:
        array = array.astype(array.dtype.newbyteorder("="), copy=False)  # the other byte order, if it is a number
        if array.dtype.str not in DTYPES:
            return None
    flags = array.flags
    order = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "strided"
    return Ext(ARRAY, _encode([array.dtype.str, order, Ext(BYTES, array.tobytes("C")), *array.shape]))


def _unpack_array_view(data: bytes) -> tuple[np.ndarray, str]:
    """A read-only array over the message's own bytes, and the memory order of the original."""
    parts = _Room().list_of(data)
    if len(parts) < 3 or type(parts[2]) is not Ext or parts[2].code != BYTES:
        raise WireError("an array without its dtype, order and data")
    name, order, raw = parts[0], parts[1], bytes(parts[2].data)
    shape = parts[3:]
    dtype = DTYPES.get(name) if isinstance(name, str) else None
    if dtype is None or order not in ("C", "F", "strided"):
        raise WireError(f"an array of dtype {name!r}; numbers and booleans travel")
    if len(shape) > MAX_DIMENSIONS or not all(type(size) is int and 0 <= size < 2**31 for size in shape):
        raise WireError("an array with an impossible shape")
    count = 1
    for size in shape:
        count *= size
    if count * dtype.itemsize != len(raw):
        raise WireError(f"an array of shape {tuple(shape)} and dtype {name} with {len(raw):,} bytes of data")
    if dtype.kind == "b" and raw.strip(b"\x00\x01"):
        raise WireError("a boolean array whose bytes are neither 0 nor 1")
    return np.frombuffer(raw, dtype).reshape(shape), order  # read-only, like the bytes below it


def _strided_copy(array: np.ndarray) -> np.ndarray:
    """A writable copy that is neither C- nor F-contiguous: every second column of a wider buffer."""
    if array.ndim == 0:
        return np.array(array)
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    view = wide[..., ::2]
    view[...] = array
    return view


def _pack_numpy_scalar(value: np.generic) -> Ext | None:
    return Ext(SCALAR, array.data) if (array := _pack_array(np.asarray(value))) is not None else None


def _unpack_numpy_scalar(data: bytes) -> Any:
    array, _ = _unpack_array_view(data)
    if array.ndim:
        raise WireError("a scalar with a shape")
    return array[()]


def _pack_tensor(value: Any, torch: Any) -> Ext:
    tensor = value.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    if tensor.is_sparse or tensor.is_quantized:
        tensor = tensor.to_dense() if tensor.is_sparse else tensor.dequantize()
    packed = _pack_array(tensor.resolve_conj().resolve_neg().numpy())
    if packed is None:
        raise WireError(f"a tensor of dtype {tensor.dtype}; numbers and booleans travel")
    return Ext(TENSOR, packed.data)
