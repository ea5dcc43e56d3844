"""Probe: a submitted checkpoint, read inside the confined worker and nowhere else.

A whole pickled network is allowed, and unpickling runs code: it is confined like the rest of the submission. Before
anything is loaded the file is looked at as data, to tell what it would call.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import sys
import types
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autograder.sandbox.probes.tracing import text_of

MAX_BYTES = 50 << 20
MAX_PICKLE_BYTES = 4 << 20
MAX_NAMES = 400
NESTED = ("state_dict", "model_state_dict", "model", "net", "network", "model_state", "weights")

# What a state dict, or a network made of torch's own layers, names when it is saved: "module name", whole.
EXPECTED = re.compile(
    r"torch (\w*Storage|Size|device|dtype|Tensor|Generator|strided|bool|(u?int|b?float|complex|q?u?int)\d+)"
    r"|torch\._utils _rebuild_\w+|torch\._tensor _rebuild_\w+|torch\.storage (Typed|Untyped)Storage"
    r"|torch\.serialization _get_layout"
    r"|torch\.(nn\.(modules|parameter|parallel)|optim)[.\w]* (_Buffer|_ReflectionPadNd|[A-Z]\w*)"
    r"|torch(\._C)?\._nn gelu|torch\.nn\.functional \w+"
    r"|numpy(\._?core\.(multiarray|numeric))? (_reconstruct|scalar|_frombuffer|ndarray|dtype)"
    r"|numpy\.dtypes \w+|numpy\.random\._pickle \w+"
    r"|collections (OrderedDict|defaultdict)|_codecs encode|copyreg _reconstructor|argparse Namespace"
    r"|(__builtin__|builtins) (set|object|complex|slice|bytearray|list|dict|int|float)"
)

Record = dict[str, Any]


def load_checkpoint(name: str, network: nn.Module, modules: Sequence[str]) -> Record:
    """Load `name`, a file of the submission, into `network`, or give the whole network that it holds.

    `modules` are the submission's modules: where the file lies, and where pickled classes are looked up. Returns a
    record: bytes; kind ("state_dict", "network", "" where it could not be read); nested (the key under which the
    state was); network (with the weights of the file, None where they do not fit); missing, unexpected (names);
    shapes (name, the file's, the network's); globals (what unpickling calls beyond torch's own); error.
    """
    record: Record = {"bytes": 0, "kind": "", "nested": "", "network": None, "missing": [], "unexpected": [],
                      "shapes": [], "globals": [], "stripped": False, "error": ""}  # fmt: skip
    path = _folder(modules) / name
    if not path.is_file():
        return record | {"error": "the file is not there"}
    record["bytes"] = path.stat().st_size
    if record["bytes"] > MAX_BYTES:
        return record | {"error": f"it is {record['bytes'] / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB are read"}
    record["globals"] = foreign_globals(path, modules)
    content = _read(path, modules)
    if isinstance(content, str):
        return record | {"error": content}
    return record | _applied(content, network)


def foreign_globals(path: Path, modules: Sequence[str]) -> list[str]:
    """Names that unpickling the file would import, other than torch's and the submission's own; nothing is run.

    Raises nothing for a broken file: what can be read of it is.
    """
    found: dict[str, None] = {}
    for pickled in _pickles_in(path):
        for name in _globals_in(pickled):
            home, _, attribute = name.partition(" ")
            own = home in (*modules, "__main__") and attribute.isidentifier()
            if not own and not EXPECTED.fullmatch(name):
                found[name.replace(" ", ".")] = None
    return list(found)[:20]


def _pickles_in(path: Path) -> list[bytes]:
    """The pickle of torch's archive form, or the file itself, which is its older form."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            entries = [info for info in archive.infolist() if info.filename.endswith(".pkl")]
            return [archive.read(info) for info in entries[:8] if info.file_size <= MAX_PICKLE_BYTES]
    with path.open("rb") as file:
        return [file.read(MAX_PICKLE_BYTES)]


def _globals_in(pickled: bytes) -> Iterator[str]:
    """ "module name" of each global; the older form is several pickles in a row, then raw data."""
    offset = 0
    while offset < len(pickled):
        strings = [""]
        memo: dict[Any, str] = {}
        try:
            for code, argument, position in pickletools.genops(pickled[offset:]):
                if code.name in ("GLOBAL", "INST"):
                    yield str(argument)
                elif code.name == "STACK_GLOBAL":
                    yield " ".join(strings[-2:])
                elif isinstance(argument, str):
                    strings.append(argument)
                elif code.name == "MEMOIZE":
                    memo[len(memo)] = strings[-1]
                elif code.name in ("BINPUT", "LONG_BINPUT"):
                    memo[argument] = strings[-1]
                elif code.name in ("BINGET", "LONG_BINGET"):
                    strings.append(memo.get(argument, ""))
                elif code.name == "STOP":
                    offset += (position or 0) + 1
        except (ValueError, IndexError, UnicodeDecodeError, OverflowError):
            return


def _folder(modules: Sequence[str]) -> Path:
    """Where the submission is staged: beside the first of its modules that is loaded."""
    files = [getattr(sys.modules.get(name), "__file__", None) for name in modules]
    return next((Path(file).parent for file in files if file), Path("."))


def _read(path: Path, modules: Sequence[str]) -> Any:
    """The file's content, or the text of what keeps it from being read. The border to what unpickling runs."""
    main = sys.modules["__main__"]
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, AttributeError, ImportError, EOFError, KeyError):
        added = _lend_classes(main, modules)  # a whole network, or an older form: once more, with its classes at hand
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        return text_of(error)
    finally:
        for name in added:
            delattr(main, name)


def _lend_classes(main: types.ModuleType, modules: Sequence[str]) -> list[str]:
    """A network saved by a script names its class `__main__.Net`: put the submission's classes there meanwhile."""
    added: list[str] = []
    for module in (sys.modules[name] for name in modules if name in sys.modules):
        for name, value in list(vars(module).items()):
            if isinstance(value, type) and not hasattr(main, name):
                setattr(main, name, value)
                added.append(name)
    return added


def _applied(content: Any, network: nn.Module) -> Record:
    if isinstance(content, nn.Module):
        return {"kind": "network", "network": _unwrapped(content)}
    state, nested = _state_in(content)
    if isinstance(state, nn.Module):
        return {"kind": "network", "nested": nested, "network": _unwrapped(state)}
    if state is None:
        return {"error": f"it holds a {type(content).__name__} without a state dict: {_keys(content)}"}
    stripped = all(name.startswith("module.") for name in state)
    if stripped:
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return {"kind": "state_dict", "nested": nested, "stripped": stripped} | _fitted(state, network)


def _unwrapped(network: nn.Module) -> nn.Module:
    return network.module if isinstance(network, nn.DataParallel) else network


def _state_in(content: Any) -> tuple[Any, str]:
    """The state dict (or network) and the key it was found under; None where there is none."""
    if not isinstance(content, Mapping):
        return None, ""
    if _is_state(content):
        return content, ""
    for key in (*NESTED, *(key for key in content if isinstance(key, str) and key not in NESTED)):
        inner = content.get(key)
        if isinstance(inner, nn.Module) or (isinstance(inner, Mapping) and _is_state(inner)):
            return inner, key
    return None, ""


def _is_state(content: Mapping[Any, Any]) -> bool:
    tensors = [isinstance(value, Tensor) for value in content.values()]
    return bool(tensors) and all(tensors) and all(isinstance(key, str) for key in content)


def _keys(content: Any) -> str:
    return (
        f"its keys are {', '.join(str(key)[:40] for key in list(content)[:8])}" if isinstance(content, Mapping) else ""
    )


def _fitted(state: Mapping[str, Tensor], network: nn.Module) -> Record:
    """Load the state where names and shapes agree; otherwise the difference, and the network stays as it is."""
    own = network.state_dict()
    record: Record = {
        "missing": [[name, list(own[name].shape)] for name in own if name not in state][:MAX_NAMES],
        "unexpected": [[name, list(state[name].shape)] for name in state if name not in own][:MAX_NAMES],
        "shapes": [[name, list(state[name].shape), list(own[name].shape)] for name in own
                   if name in state and state[name].shape != own[name].shape][:MAX_NAMES],
    }  # fmt: skip
    if not any(record.values()):
        network.load_state_dict(state)
        record["network"] = network
    return record
