"""A network of the student's that a check holds: its outputs, codes, reconstructions, traces and weights.

Found by `autograder.checks.networks.find_network`, from where everything here can be imported as well.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from autograder.checks.compare import allowance, as_array, fail, off_by
from autograder.checks.traces import Trace, read_trace
from autograder.sandbox.proxy import Probes, RemoteObject

Images = NDArray[np.float32]
Array = NDArray[np.float64]

BATCH = 5  # no other size in these homeworks is 5, so that a batch axis is never taken for another
SEED = 20230213
FORMS = ("image", "flat", "plane")
"""How a network may take its images: (N, 1, 28, 28), (N, 784), (N, 28, 28)."""


class Role(msgspec.Struct, frozen=True):
    """What a network is looked for. sentence: for the student. names: those that the stencils propose.

    kind: "classifier" (images to (N, outputs)) or "autoencoder" (images to images, through a code of `code_size`).
    skips: whether connections around the code are asked for. image_shape: one image, the channels first.
    """

    kind: str
    sentence: str
    names: tuple[str, ...]
    outputs: int = 10
    code_size: int = 2
    skips: bool = False
    image_shape: tuple[int, ...] = (1, 28, 28)


CLASSIFIER = Role("classifier", "a classifier: images (N, 1, 28, 28) in, (N, 10) out", ("CNN", "Net"))
AUTOENCODER = Role(
    "autoencoder",
    "an autoencoder: images (N, 1, 28, 28) or (N, 784) in, as many numbers out, through a code of 2 numbers per image",
    ("Autoencoder", "AE", "ConvAutoencoder", "CAE", "Net"),
)
SKIP_AUTOENCODER = msgspec.structs.replace(
    AUTOENCODER, sentence=AUTOENCODER.sentence + ", with skip connections around it", skips=True
)


class Weight(msgspec.Struct, frozen=True):
    """One entry of a network's state. kind: parameter, frozen (takes no gradient) or buffer."""

    name: str
    kind: str
    value: Array


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of the student's that answers a role.

    handle: the object itself, for other probes and remote calls. name, module, line: where it is defined. made: the
    expression that made it. form: how it takes images. path: which of its outputs counts ("" where there is one).
    reason: for the student, what was taken and why. remarks: what is ambiguous, and how to settle it. instead_of: what
    came of the class as it comes, where it answers only with a switch turned.
    """

    probes: Probes
    role: Role
    handle: RemoteObject
    name: str
    module: str
    line: int
    made: str
    form: str
    path: str
    structure: str
    parameters: int
    reason: str
    remarks: tuple[str, ...] = ()
    instead_of: str = ""

    def shown(self, show: Any) -> Network:
        """Itself, once `show` has told the student which network is graded, and why."""
        show.text("The network that was graded", "\n".join([self.reason, *self.remarks]))
        return self

    def inputs(self, images: Images) -> Images:
        """Images in the form that this network takes."""
        return in_form(images, self.form)

    def outputs(self, images: Images, *, training: bool = False) -> dict[str, Array]:
        """All output tensors by their path ("" where forward returns one tensor). Raises CheckFailed for garbage."""
        called = f"{self.made}(images)"
        answer = self.probes.run("networks", "run", self.handle, self.inputs(images), training, called=called)
        return _read_outputs(answer, called)

    def run(self, images: Images, *, training: bool = False) -> Array:
        """The output that counts, in the shape in which it comes. Raises CheckFailed, StudentError."""
        return self._main(self.outputs(images, training=training), f"{self.made}(images)")

    def reconstruct(self, images: Images) -> Array:
        """An autoencoder's output as images (N, 1, 28, 28). Raises CheckFailed, StudentError."""
        return self._as_images(self.run(images))

    def trace(self, *, training: bool = False) -> Trace:
        """What one forward pass does, in eval or in train mode. Raises CheckFailed, StudentError."""
        return self._training_trace if training else self._eval_trace

    def code(self, images: Images) -> Array:
        """The embeddings (N, code size), in eval mode. Raises CheckFailed where there is no code."""
        called = f"the encoder of {self.name}"
        position = self._code_position(called)
        answer = self.probes.run("networks", "value_at", self.handle, self.inputs(images), position, called=called)
        codes = as_array(answer, "the code", called=called)
        if not codes.ndim or len(codes) != len(images):
            fail(f"The code of {len(images)} images has shape {codes.shape}.", called=called, cause="wrong_shape",
                 expected="one code per image")  # fmt: skip
        return codes.reshape(len(images), -1)

    def decode(self, codes: Array, *, images: Images | None = None, zero_skips: bool = True) -> Array:
        """Images (N, 1, 28, 28) from codes (N, code size), in eval mode, by running what follows the code.

        What leads around the code is replaced with zeros, unless `zero_skips` is False: then it comes from `images`
        (all black where none are given). Raises CheckFailed, StudentError.
        """
        called = f"the decoder of {self.name}"
        position = self._code_position(called)
        if images is None:
            images = np.zeros((len(codes), *self.role.image_shape), np.float32)
        zeroed: dict[int, list[int]] = {}
        for skip in self.trace().paths_around() if zero_skips else ():
            if skip.index < len(skip.joined.slots):
                zeroed.setdefault(skip.joined.position, []).append(skip.joined.slots[skip.index])
        answer = self.probes.run(
            "networks", "run_from", self.handle, self.inputs(images), position, np.asarray(codes, np.float32), zeroed,
            called=called,
        )  # fmt: skip
        return self._as_images(self._main(_read_outputs(answer, called), called))

    def weights(self) -> tuple[Weight, ...]:
        """Parameters, then buffers, each in the order of registration. Raises CheckFailed."""
        called = f"reading the weights of {self.name}"
        return _read_weights(self.probes.run("networks", "weights", self.handle, called=called), called)

    @cached_property
    def _eval_trace(self) -> Trace:
        return self._traced(False)

    @cached_property
    def _training_trace(self) -> Trace:
        return self._traced(True)

    def _traced(self, training: bool) -> Trace:
        images = self.inputs(sample_images(self.role))
        return traced(self.probes, self.handle, images, training, self.path, f"{self.made}(images)")

    def _code_position(self, called: str) -> int:
        trace = self.trace()
        operation = trace.made_by(trace.code) if trace.code is not None else None
        if operation is None:
            fail(
                "No layer between the input and the output is narrower than the image.",
                called=called, cause="wrong_code_size", expected=f"a code of {self.role.code_size} numbers per image",
            )  # fmt: skip
        return operation.position

    def _main(self, outputs: dict[str, Array], called: str) -> Array:
        if self.path not in outputs:
            fail("Your network returns other things than in an earlier call.", called=called, cause="wrong_type")
        return outputs[self.path]

    def _as_images(self, array: Array) -> Array:
        size = int(np.prod(self.role.image_shape))
        if not array.ndim or array.size != array.shape[0] * size:
            fail(f"The reconstruction has shape {array.shape}", called=f"{self.made}(images)", cause="wrong_shape",
                 expected=f"(N, {', '.join(map(str, self.role.image_shape))}) or (N, {size})")  # fmt: skip
        return array.reshape(-1, *self.role.image_shape)


def in_form(images: Images, form: str) -> Images:
    """Images (N, C, H, W) as (N, C*H*W) for "flat", (N, H, W) for "plane", unchanged for "image"."""
    images = np.ascontiguousarray(images, dtype=np.float32)
    if form == "flat":
        return images.reshape(len(images), -1)
    return images.reshape(len(images), *images.shape[-2:]) if form == "plane" else images


def sample_images(role: Role, count: int = BATCH) -> Images:
    """Random images between 0 and 1, the same ones every time: for shapes and structure."""
    return np.random.default_rng(SEED).random((count, *role.image_shape), dtype=np.float32)


def assert_from_code_alone(network: Network, images: Images, *, where: str) -> None:
    """Raises CheckFailed (bypasses_code) unless what follows the code gives the reconstructions, from the codes alone.

    This also sees what a trace cannot: information that leaves torch and comes back as plain numbers.
    """
    whole, alone = network.reconstruct(images), network.decode(network.code(images))
    if np.any(off_by(alone, whole) > allowance(whole, 1e-3, 1e-4)):
        fail(
            "The reconstructions change when the decoder gets the same codes without the images.",
            called=f"{network.made}(images)",
            cause="bypasses_code",
            expected=f"{where}: the output is computed from the code alone",
        )


# ---- Reading what the probes answer ---------------------------------------------------------------------------------


def traced(probes: Probes, handle: Any, inputs: Images, training: bool, path: str, called: str) -> Trace:
    """The trace of a network held by `handle`. Raises CheckFailed, StudentError."""
    record = probes.run("networks", "trace", handle, inputs, training, called=called)
    return read_trace(record, training=training, main=path, called=called)


def _read_outputs(answer: Any, called: str) -> dict[str, Array]:
    outputs: dict[str, Array] = {}
    for item in answer if isinstance(answer, list) else ():
        if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str):
            outputs[item[0]] = as_array(item[1], "the output of your network", called=called)
    if not outputs:
        fail("Your network returns no tensor.", called=called, cause="wrong_type")
    return outputs


def _read_weights(answer: Any, called: str) -> tuple[Weight, ...]:
    read = []
    for item in answer if isinstance(answer, list) else ():
        if not (isinstance(item, list) and len(item) == 3 and all(isinstance(part, str) for part in item[:2])):
            fail("The weights of your network cannot be read.", called=called, cause="wrong_type")
        read.append(Weight(item[0], item[1], as_array(item[2], f"the weight {item[0]}", called=called)))
    return tuple(read)
