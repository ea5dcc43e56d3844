"""Finding the network of a submission by what it does, and asking it for outputs, codes and traces.

    network = find_network(probes, AUTOENCODER, ["prob5_AE"])
    show.text("The network that was graded", network.reason)
    trace = network.trace()                  # what it does: see autograder.checks.traces and .architecture
    codes = network.code(images)             # (N, 2)
    images_again = network.decode(codes)     # (N, 1, 28, 28), from the code alone, skip connections zeroed

Images are float32 arrays (N, 1, 28, 28) here, whatever form the student's network takes. An assignment that uses this
lists "autograder.sandbox.probes.networks" in its preloads. Handles live as long as one example of a property check.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec
import numpy as np

from autograder.checks.compare import CheckFailed, fail
from autograder.checks.folding import per_image
from autograder.checks.remote_network import (
    AUTOENCODER,
    BATCH,
    CLASSIFIER,
    FORMS,
    SKIP_AUTOENCODER,
    Images,
    Network,
    Role,
    Weight,
    assert_from_code_alone,
    in_form,
    sample_images,
    traced,
)
from autograder.sandbox.proxy import Probes, RemoteObject, StudentError, type_name_of

__all__ = [
    "AUTOENCODER",
    "CLASSIFIER",
    "SKIP_AUTOENCODER",
    "Images",
    "Network",
    "Role",
    "Weight",
    "assert_from_code_alone",
    "find_network",
    "find_networks",
    "in_form",
    "sample_images",
]

SHOWN_TRIES = 12
BATCH_SIZES = (64, 32, 100, 128, 16, 50, 256, 10, 20)
"""Tried where no network answers for BATCH images: one of these may be written into it."""


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
    switched: bool = False
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


def find_network(probes: Probes, role: Role, modules: Sequence[str]) -> Network:
    """The network in the named modules of the submission that answers the role best.

    Taken is, in this order: the best fit, what is defined in these files rather than imported, a name that the
    stencils propose, the first. Raises CheckFailed with all that was tried where none does, the StudentError of a
    file that could not be loaded where that is all there is.
    """
    candidates = _candidates(probes, role, modules)
    fits = _ranked(probes, role, candidates)
    if role.skips and fits and not any(fit.grade >= _SKIPS for fit in fits):
        _fail_without_skips(role, candidates, fits)
    if not fits:
        _fail_nothing(probes, role, candidates, modules)
    chosen = fits[0]
    others = _alternatives(chosen, fits, role)
    return _network(probes, role, chosen, others, _instead_of(chosen, fits, candidates))


def assert_works_as_it_is(network: Network) -> None:
    """It was taken as it comes, not with a switch turned because it fails otherwise. Raises CheckFailed (raises)."""
    if network.instead_of:
        fail(
            f"{network.instead_of}\nOnly `{network.made}` works.",
            called="model(images)", cause="raises", expected=network.role.sentence,
        )  # fmt: skip


def _instead_of(chosen: _Fit, fits: Sequence[_Fit], candidates: Sequence[_Candidate]) -> str:
    """What came of the same class as it comes, where only with a switch turned it answers the role; else ""."""
    own = (chosen.candidate.name, chosen.candidate.module)
    as_it_comes = [one for one in candidates if (one.name, one.module) == own and not one.switched]
    fitting = {fit.candidate.made for fit in fits}
    if not chosen.candidate.switched or not as_it_comes or any(one.made in fitting for one in as_it_comes):
        return ""
    one = as_it_comes[0]
    error = next((call.error for call in one.calls if call.form == chosen.form), one.error)
    return f"`{one.made}` cannot be used: {error or 'what it returns is none of the answers asked for'}"


def find_networks(probes: Probes, role: Role, modules: Sequence[str]) -> list[Network]:
    """All networks that answer the role, in the order in which `find_network` would take them.

    For a check that chooses among them by something else, such as whether they normalise batches; their `reason` does
    not tell of one another. Raises as `find_network` does where there is none.
    """
    candidates = _candidates(probes, role, modules)
    fits = _ranked(probes, role, candidates)
    if not fits:
        _fail_nothing(probes, role, candidates, modules)
    return [_network(probes, role, fit, ()) for fit in fits]


def _ranked(probes: Probes, role: Role, candidates: Sequence[_Candidate]) -> list[_Fit]:
    """What answers the role, the best first; among equals in the order of the files."""
    fits = [fit for candidate in candidates for fit in _fits(probes, role, candidate)]
    return sorted(fits, key=lambda fit: _preference(fit, role))


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
        trace = traced(probes, candidate.network, images, False, output.path, f"{candidate.made}(images)")
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


def _network(probes: Probes, role: Role, chosen: _Fit, others: Sequence[_Fit], instead_of: str = "") -> Network:
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
        chosen.form, chosen.path, chosen.structure, candidate.parameters, reason, tuple(remarks), instead_of,
    )  # fmt: skip


def _fail_without_skips(role: Role, candidates: Sequence[_Candidate], fits: Sequence[_Fit]) -> NoReturn:
    """No fit has what the role asks for; a network that cannot be run may be the one that was meant."""
    others = [one for one in candidates if one.made not in {fit.candidate.made for fit in fits} and one.calls]
    _fail_for_meant([one for one in others if "skip" in one.made.lower()], role, fits[0].form)
    names = ", ".join(dict.fromkeys(fit.candidate.made for fit in fits))
    text = f"In none of your autoencoders ({names}) does anything but the code enter the decoder."
    broken = [one for one in others if not any(call.outputs for call in one.calls)]
    if broken:
        text += "\nThese could not be run:\n" + _tries(broken)
    fail(text, called="looking for your network", cause=None if broken else "skip_missing", expected=role.sentence)


def _fail_for_meant(meant: Sequence[_Candidate], role: Role, form: str) -> None:
    """Raises CheckFailed (raises, bypasses_code) where the version that was meant shows why it does not answer."""
    for one in meant:
        if not any(call.outputs for call in one.calls):
            error = next((call.error for call in one.calls if call.form == form), "") or "no tensor is returned"
            fail(f"`{one.made}` cannot be run: {error}", called=f"{one.made}(images)", cause="raises",
                 expected=role.sentence)  # fmt: skip
    size = int(np.prod(role.image_shape))
    for one in meant:
        if any(per_image(output.shape, BATCH) == size for call in one.calls for output in call.outputs):
            fail(
                f"`{one.made}` makes its images without the code: no narrow place lies on the way to them.",
                called=f"{one.made}(images)", cause="bypasses_code",
                expected="skip connections that join what is decoded from the code, and do not replace it",
            )  # fmt: skip


def _fail_nothing(probes: Probes, role: Role, candidates: Sequence[_Candidate], modules: Sequence[str]) -> NoReturn:
    files = ", ".join(f"{name}.py" for name in modules)
    if not candidates:
        fail(
            f"{files} defines no network: no class derived from nn.Module, no instance of one, and no function without "
            "required arguments that returns one.",
            called="looking for your network", expected=role.sentence,
        )  # fmt: skip
    blank = all("NotImplementedError" in _told(candidate) for candidate in candidates)
    size = None if blank else _only_batch_size(probes, role, candidates, modules)
    if size is not None:
        fail(
            f"Your network takes {size} images, and no other number of them.",
            called="model(images)",
            cause="hard_coded_batch",
            expected=f"{role.sentence}, for any N: x.view(x.shape[0], -1) takes N from its input",
        )
    _fail_without_parameters(candidates, role)
    names = ", ".join(dict.fromkeys(f"`{candidate.made}`" for candidate in candidates[:SHOWN_TRIES]))
    fail(
        f"This part asks for {role.sentence.partition(':')[0]}, and {names} cannot be used as one:\n"
        + _tries(candidates),
        called="looking for your network", cause="not_implemented" if blank else _cause_of_refusal(candidates),
        expected=role.sentence,
    )  # fmt: skip


def _fail_without_parameters(candidates: Sequence[_Candidate], role: Role) -> None:
    """Raises CheckFailed (frozen_parameters) for a network that computes and has nothing to train."""
    for one in candidates:
        if one.network is not None and not one.parameters and any(call.outputs for call in one.calls):
            fail(
                f"`{one.made}` computes something, but model.parameters() is empty: no optimizer can train it.",
                called=f"{one.made}.parameters()", cause="frozen_parameters",
                expected=f"{role.sentence}; with layers that are attributes of the network, or stand in nn.Sequential "
                "or nn.ModuleList",
            )  # fmt: skip


def _cause_of_refusal(candidates: Sequence[_Candidate]) -> str | None:
    """What keeps the only class of networks from taking images, where PyTorch's error says it."""
    calls = [call for candidate in candidates for call in candidate.calls if call.form == "image"]
    misfits = calls and all(_MISFIT.search(call.error) for call in calls)
    return "layers_do_not_fit" if misfits and len({one.made.partition("(")[0] for one in candidates}) == 1 else None


def _only_batch_size(
    probes: Probes, role: Role, candidates: Sequence[_Candidate], modules: Sequence[str]
) -> int | None:
    """A usual batch size for which a network that refuses BATCH images gives an answer for each; None without one."""
    refusing = {one.made for one in candidates if one.network is not None and not any(c.outputs for c in one.calls)}
    numbers = role.outputs if role.kind == "classifier" else int(np.prod(role.image_shape))
    for size in BATCH_SIZES if refusing else ():
        images = sample_images(role, size)
        inputs = [(form, in_form(images, form)) for form in FORMS]
        called = "looking for your network"
        tried = _read_candidates(probes.run("networks", "candidates", list(modules), inputs, called=called), called)
        shapes = [output.shape for one in tried if one.made in refusing for c in one.calls for output in c.outputs]
        if any(shape[:1] == (size,) and per_image(shape, size) == numbers for shape in shapes):
            return size
    return None


def _tries(candidates: Sequence[_Candidate]) -> str:
    """What came of each construction."""
    return "\n".join(list(dict.fromkeys(map(_told, candidates)))[:SHOWN_TRIES])


def _told(candidate: _Candidate) -> str:
    """What came of one construction: where it stands, and a line for each form of input."""
    place = f"  {candidate.made} ({candidate.module}.py, line {candidate.line})"
    if candidate.error:
        return f"{place}: {candidate.error}"
    results = [place]
    for call in candidate.calls:
        shapes = ", ".join(_batch(output.shape) for output in call.outputs)
        results.append(f"    given {_FORM_WORDS.get(call.form, call.form)}: "
                       f"{call.error[:240] or shapes or 'returns no tensor'}")  # fmt: skip
    return "\n".join(results)


_MISFIT = re.compile(r"shapes cannot be multiplied|expected input\[.*\] to have \d+ channels")
_FORM_WORDS = {"image": "images (N, 1, 28, 28)", "flat": "rows (N, 784)", "plane": "images (N, 28, 28)",
               "code": "codes (N, 2)"}  # fmt: skip


def _shape_of(role: Role, form: str) -> str:
    return _batch(in_form(sample_images(role, 1), form).shape)


def _batch(shape: Sequence[int]) -> str:
    return f"(N, {', '.join(map(str, shape[1:]))})" if len(shape) > 1 else "(N,)"
