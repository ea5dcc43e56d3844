"""Finding the network of a submission by what it does, and asking it for outputs, codes and traces.

    network = find_network(probes, AUTOENCODER, ["prob5_AE"])
    show.text("The network that was graded", network.reason)
    trace = network.trace()                  # what it does: see autograder.checks.traces and .architecture
    codes = network.code(images)             # (N, 2)
    images_again = network.decode(codes)     # (N, 1, 28, 28), from the code alone, skip connections zeroed

Images are float32 arrays (N, 1, 28, 28) here, whatever form the student's network takes. An assignment that uses this
lists "autograder.sandbox.networks" in its preloads. Handles live as long as one example of a property check.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NoReturn

import msgspec
import numpy as np
from numpy.typing import NDArray

from autograder.checks.compare import CheckFailed, as_array, fail
from autograder.checks.folding import per_image
from autograder.checks.traces import Trace, read_trace
from autograder.sandbox.proxy import Probes, RemoteObject, StudentError, type_name_of

Images = NDArray[np.float32]
Array = NDArray[np.float64]

BATCH = 5  # no other size in these homeworks is 5, so that a batch axis is never taken for another
SEED = 20230213
SHOWN_TRIES = 12
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


class _Output(msgspec.Struct, frozen=True, array_like=True):
    path: str
    shape: tuple[int, ...]


class _Call(msgspec.Struct, frozen=True):
    form: str
    outputs: tuple[_Output, ...]
    structure: str
    error: str


class _Candidate(msgspec.Struct, frozen=True):
    """One construction of something in the submission; `network` is put in after the rest was checked."""

    kind: str
    name: str
    module: str
    line: int
    imported: bool
    made: str
    parameters: int
    calls: tuple[_Call, ...]
    error: str
    network: Any = None


@dataclasses.dataclass(frozen=True)
class _Fit:
    """A candidate that answers the role: how well, and in which of its forms and outputs."""

    candidate: _Candidate
    grade: int
    form: str
    path: str
    structure: str
    description: str


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
    reason: for the student, what was taken and why. remarks: what is ambiguous, and how to settle it.
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
        return as_array(answer, "the code", called=called).reshape(len(images), -1)

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
        return _trace(self.probes, self.handle, images, training, self.path, f"{self.made}(images)")

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


# ---- Finding --------------------------------------------------------------------------------------------------------


def find_network(probes: Probes, role: Role, modules: Sequence[str]) -> Network:
    """The network in the named modules of the submission that answers the role best.

    Taken is, in this order: the best fit, what is defined in these files rather than imported, a name that the
    stencils propose, the first. Raises CheckFailed with all that was tried where none does, the StudentError of a
    file that could not be loaded where that is all there is.
    """
    candidates = _candidates(probes, role, modules)
    fits = [fit for candidate in candidates for fit in _fits(probes, role, candidate)]
    if role.skips and fits and not any(fit.grade >= _SKIPS for fit in fits):
        names = ", ".join(dict.fromkeys(fit.candidate.made for fit in fits))
        fail(
            f"In none of your autoencoders ({names}) does anything but the code enter the decoder.",
            cause="skip_missing", expected=role.sentence,
        )  # fmt: skip
    if not fits:
        _fail_nothing(role, candidates, modules)
    order = {id(fit): index for index, fit in enumerate(fits)}
    chosen = min(fits, key=lambda fit: (*_preference(fit, role), order[id(fit)]))
    others = _alternatives(chosen, fits, role)
    return _network(probes, role, chosen, others)


_SKIPS = 4
"""The grade from which on a fit has what the role asks for around the code."""


def _candidates(probes: Probes, role: Role, modules: Sequence[str]) -> list[_Candidate]:
    problems = []
    for name in modules:
        try:
            probes.module(name)
        except StudentError as problem:
            problems.append(problem)
    if len(problems) == len(modules):
        raise problems[0]
    images = sample_images(role)
    inputs: list[tuple[str, Images]] = [(form, in_form(images, form)) for form in FORMS]
    if role.kind == "autoencoder":  # so that a decoder that stands alone is found
        inputs.append(("code", np.linspace(-1, 1, BATCH * role.code_size, dtype=np.float32).reshape(BATCH, -1)))
    called = "looking for your network"
    answer = probes.run("networks", "candidates", list(modules), inputs, called=called)
    return _read_candidates(answer, called)


def _read_candidates(answer: Any, called: str) -> list[_Candidate]:
    if not isinstance(answer, list):
        fail("What your files define cannot be read.", called=called)
    found = []
    for record in answer[:200]:
        if not isinstance(record, dict):
            fail("What your files define cannot be read.", called=called)
        plain = {key: value for key, value in record.items() if key != "network" and isinstance(key, str)}
        try:
            candidate = msgspec.convert(plain, _Candidate)
        except (msgspec.ValidationError, RecursionError) as error:
            fail(f"What your files define cannot be read ({error}).", called=called)
        network = record.get("network")
        found.append(msgspec.structs.replace(candidate, network=network if isinstance(network, RemoteObject) else None))
    return found


def _fits(probes: Probes, role: Role, candidate: _Candidate) -> list[_Fit]:
    """How the candidate answers the role: at most one fit, in the first form that does best."""
    if candidate.network is None or not candidate.parameters:
        return []
    judge = _classifier_fit if role.kind == "classifier" else _autoencoder_fit
    fits = [fit for call in candidate.calls if call.form != "code" for fit in judge(probes, role, candidate, call)]
    return [max(fits, key=lambda fit: fit.grade)] if fits else []


def _classifier_fit(probes: Probes, role: Role, candidate: _Candidate, call: _Call) -> list[_Fit]:
    for output in call.outputs:
        if len(output.shape) == 2 and output.shape[0] == BATCH and output.shape[1] > 1:
            exact = output.shape[1] == role.outputs
            what = f"it turns {_shape_of(role, call.form)} into {_batch(output.shape)}"
            small = output.shape[1] < int(np.prod(role.image_shape)) // 2
            if exact or small:
                return [_Fit(candidate, 2 if exact else 1, call.form, output.path, call.structure, what)]
    return []


def _autoencoder_fit(probes: Probes, role: Role, candidate: _Candidate, call: _Call) -> list[_Fit]:
    size = int(np.prod(role.image_shape))
    output = next((one for one in call.outputs if per_image(one.shape, BATCH) == size), None)
    if output is None:
        return []
    images = in_form(sample_images(role), call.form)
    try:
        trace = _trace(probes, candidate.network, images, False, output.path, f"{candidate.made}(images)")
    except (CheckFailed, StudentError):
        return []  # it does not answer the role; what else answers it is asked next
    if trace.code is None:
        return []
    around = bool(trace.paths_around())
    grade = (2 if trace.code_size == role.code_size else 1) + (_SKIPS if around and role.skips else 0)
    what = (
        f"it turns {_shape_of(role, call.form)} into {_batch(output.shape)} through a code of {trace.code_size} "
        f"numbers per image, {'with' if around else 'without'} connections around it"
    )
    # Without skip connections wanted, one that has them is the last resort: its own check tells what is wrong.
    lowered = 0 if around and not role.skips else grade
    return [_Fit(candidate, lowered, call.form, output.path, call.structure, what)]


def _preference(fit: _Fit, role: Role) -> tuple[Any, ...]:
    """Sorts the fits: smaller is better."""
    candidate = fit.candidate
    return (-fit.grade, candidate.imported, candidate.kind == "pair", not _proposed(candidate, role))


def _proposed(candidate: _Candidate, role: Role) -> bool:
    lowered = candidate.name.lower().replace("_", "")
    return lowered in {name.lower() for name in role.names} or (role.skips and "skip" in lowered)


def _alternatives(chosen: _Fit, fits: Sequence[_Fit], role: Role) -> list[_Fit]:
    """Other classes that answer as well, one fit each."""
    own = {chosen.candidate.name, type_name_of(chosen.candidate.network)}
    others: dict[str, _Fit] = {}
    for fit in fits:
        same = fit.candidate.name in own or type_name_of(fit.candidate.network) in own
        if not same and _preference(fit, role)[:3] == _preference(chosen, role)[:3]:
            others.setdefault(type_name_of(fit.candidate.network), fit)
    return list(others.values())


def _network(probes: Probes, role: Role, chosen: _Fit, others: Sequence[_Fit]) -> Network:
    candidate = chosen.candidate
    line = f", line {candidate.line}" if candidate.line else ""
    reason = (
        f"Taken was `{candidate.made}` ({candidate.kind} in {candidate.module}.py{line}): {chosen.description}; "
        f"it has {candidate.parameters:,} parameters."
    )
    remarks = []
    if others:
        names = ", ".join(f"`{fit.candidate.name}`" for fit in others)
        named = _proposed(candidate, role)
        reason += f" {names} would do as well; it was taken " + ("for its name." if named else "as the first.")
        if not named or any(_proposed(fit.candidate, role) for fit in others):
            remarks.append(
                f"Several of your networks answer this part: `{candidate.name}` was graded, {names} not. To settle "
                f"it, name the one that counts `{role.names[0]}`, or keep only one in the file."
            )
    return Network(
        probes, role, candidate.network, candidate.name, candidate.module, candidate.line, candidate.made,
        chosen.form, chosen.path, chosen.structure, candidate.parameters, reason, tuple(remarks),
    )  # fmt: skip


def _fail_nothing(role: Role, candidates: Sequence[_Candidate], modules: Sequence[str]) -> NoReturn:
    files = ", ".join(f"{name}.py" for name in modules)
    tries = [_told(candidate) for candidate in candidates]
    if not tries:
        fail(
            f"{files} defines no network: no class derived from nn.Module, no instance of one, and no function without "
            "required arguments that returns one.",
            called="looking for your network", expected=role.sentence,
        )  # fmt: skip
    blank = all("NotImplementedError" in text for text in tries)
    shown = list(dict.fromkeys(tries))[:SHOWN_TRIES]
    fail(
        "None of your networks answers this part. Tried were:\n" + "\n".join(f"  {text}" for text in shown),
        called="looking for your network", cause="not_implemented" if blank else None, expected=role.sentence,
    )  # fmt: skip


def _told(candidate: _Candidate) -> str:
    """What came of one construction, in a line."""
    place = f"{candidate.made} ({candidate.module}.py, line {candidate.line})"
    if candidate.error:
        return f"{place}: {candidate.error}"
    results = []
    for call in candidate.calls:
        shapes = ", ".join(_batch(output.shape) for output in call.outputs)
        results.append(f"{call.form}: {call.error[:160] or shapes or 'returns no tensor'}")
    return f"{place}: " + "; ".join(results)


def _shape_of(role: Role, form: str) -> str:
    return _batch(in_form(sample_images(role, 1), form).shape)


def _batch(shape: Sequence[int]) -> str:
    return f"(N, {', '.join(map(str, shape[1:]))})" if len(shape) > 1 else "(N,)"


# ---- Reading what the probes answer ---------------------------------------------------------------------------------


def _trace(probes: Probes, handle: Any, inputs: Images, training: bool, path: str, called: str) -> Trace:
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
