"""What the checks of this homework share: small examples, and how a submission's `Model` is made and called.

Sizes in the order of the handout: N images of D pixels, C classes, W (D, C), b (1, C).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from autograder.checks.compare import as_array, attribute, call, fail
from autograder.sandbox.proxy import Remote, RemoteObject, StandIn, StudentError

Array = NDArray[np.float64]
T = TypeVar("T")

# The two kinds of data that main.py loads: MNIST's pixels and labels, and the scenes' features.
MNIST_LIKE = "pixels 0 and 1 (int), labels uint8"
SCENE_LIKE = "pixels float, labels int8"
KINDS = (MNIST_LIKE, SCENE_LIKE)


# ---- Examples -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DataSet:
    """Training and test images: images (N, D), labels (N,), in one of KINDS."""

    images: NDArray[Any]
    labels: NDArray[Any]
    classes: int
    test_images: NDArray[Any]
    test_labels: NDArray[Any]

    @property
    def pixels(self) -> int:
        return int(self.images.shape[1])


@dataclass(frozen=True)
class Settings:
    """What hyperparameters.py sets."""

    learning_rate: float = 0.1
    num_epochs: int = 1


@dataclass(frozen=True)
class Layer:
    """A network and one image: W (D, C), b (1, C), image (D,)."""

    W: Array
    b: Array
    image: NDArray[Any]

    @property
    def classes(self) -> int:
        return int(self.W.shape[1])

    @property
    def logits(self) -> Array:
        """Eq. 1 of the handout, (C,)."""
        return np.asarray(self.image @ self.W + self.b[0], dtype=np.float64)


@dataclass(frozen=True)
class Answer:
    """What a network says of one image: image (D,), probabilities (1, C), and the true label."""

    image: NDArray[Any]
    probabilities: Array
    label: np.integer[Any]

    @property
    def classes(self) -> int:
        return int(self.probabilities.shape[1])


@dataclass(frozen=True)
class Step:
    """One step of gradient descent: W and gradW (D, C), b and gradB (1, C)."""

    W: Array
    b: Array
    gradW: Array
    gradB: Array
    learning_rate: float


def make_data(count: int, pixels: int, classes: int, kind: str, seed: int) -> DataSet:
    """`count` images of random pixels with random labels, and two more for testing."""
    generator = np.random.default_rng(seed)
    images = random_pixels(generator, (count + 2, pixels), kind)
    labels = generator.integers(0, classes, count + 2).astype(np.uint8 if kind == MNIST_LIKE else np.int8)
    return DataSet(images[:count], labels[:count], classes, images[count:], labels[count:])


def plain_data(pixels: int, classes: int) -> DataSet:
    """A black image for each class, for a model that is not to learn anything."""
    images, labels = np.zeros((classes, pixels), dtype=int), np.arange(classes, dtype=np.uint8)
    return DataSet(images, labels, classes, images, labels)


def random_pixels(generator: np.random.Generator, shape: tuple[int, ...], kind: str) -> NDArray[Any]:
    """Pixels of one kind of data: int 0 and 1, or floats of one decimal from -1 to 1."""
    if kind == MNIST_LIKE:
        return generator.integers(0, 2, shape)
    return np.round(generator.uniform(-1, 1, shape), 1)


def random_numbers(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers of one decimal from -2 to 2, none of them 0."""
    return generator.integers(1, 21, shape) / 10.0 * generator.choice([-1.0, 1.0], shape)


def _make_layer(pixels: int, classes: int, kind: str, seed: int) -> Layer:
    generator = np.random.default_rng(seed)
    image = random_pixels(generator, (pixels,), kind)
    image[0] = 1  # an image of zeros alone would leave the weights out
    return Layer(random_numbers(generator, (pixels, classes)), random_numbers(generator, (1, classes)), image)


def _make_answer(pixels: int, classes: int, kind: str, seed: int) -> Answer:
    generator = np.random.default_rng(seed)
    image = random_pixels(generator, (pixels,), kind)
    image[0] = 1
    # Different for each class, so that a probability tells which class it is of.
    parts = generator.choice(np.arange(1, 10), classes, replace=False)
    labels = np.arange(classes, dtype=np.uint8 if kind == MNIST_LIKE else np.int8)
    return Answer(image, (parts / parts.sum())[np.newaxis], generator.choice(labels))


def _make_step(pixels: int, classes: int, learning_rate: float, seed: int) -> Step:
    generator = np.random.default_rng(seed)
    W, gradW = (random_numbers(generator, (pixels, classes)) for _ in range(2))
    b, gradB = (random_numbers(generator, (1, classes)) for _ in range(2))
    return Step(W, b, gradW, gradB, learning_rate)


PIXELS = (2, 1, 3, 4, 5)
CLASSES = (3, 2, 4, 5)


def cases(make: Callable[..., T], *choices: Sequence[Any]) -> st.SearchStrategy[T]:
    """What `make(*one of each choice, seed)` gives, the first entries of the choices being the simplest.

    One number is drawn for a case and taken apart, because a draw costs more than everything else in an example.
    """

    def unfold(number: int) -> T:
        chosen = []
        for choice in choices:
            number, place = divmod(number, len(choice))
            chosen.append(choice[place])
        return make(*chosen, number)

    return st.integers(0, 999_999).map(unfold)


def data_sets() -> st.SearchStrategy[DataSet]:
    """Small data sets, of one image and more, with more or fewer pixels than classes."""
    return cases(make_data, (2, 1, 3, 4), PIXELS, CLASSES, KINDS)


def layers(classes: Sequence[int] = CLASSES) -> st.SearchStrategy[Layer]:
    """Networks whose logits stay small, each with an image that is not black."""
    return cases(_make_layer, PIXELS, classes, KINDS)


def answers() -> st.SearchStrategy[Answer]:
    """Images with probabilities that are all different and none of them near 0."""
    return cases(_make_answer, PIXELS, CLASSES, KINDS)


def steps() -> st.SearchStrategy[Step]:
    """Steps with rates that are neither 1 nor that of hyperparameters.py; at least three classes."""
    return cases(_make_step, PIXELS, (3, 4, 5), (0.5, 0.1, 0.2, 2.0))


# ---- Making and calling a model -------------------------------------------------------------------------------------


def apply_settings(probes: Any, settings: Settings) -> Any:
    """The given module hyperparameters, which main.py hands to `Model` as `hp`, with these settings."""
    hp = probes.module("hyperparameters")
    hp.learning_rate = settings.learning_rate
    hp.num_epochs = settings.num_epochs
    return hp


def new_model(submission: Any, data: DataSet, hp: Any) -> Any:
    """A new `Model`, in the form of six arguments or in the older one of four.

    Raises CheckFailed where `Model` makes something else, StudentError where its constructor raises.
    """
    arguments = (data.images, data.labels, data.classes, hp)
    try:
        model = call(submission, "Model", *arguments, data.test_images, data.test_labels, name="")
    except StudentError as error:
        if not _does_not_fit(error):
            raise
        model = call(submission, "Model", *arguments, name="")
    if not isinstance(model, RemoteObject):
        fail("Model(...) does not make an object", called=CONSTRUCTOR, cause="wrong_type", expected="class Model: ...")
    return model


def require_parameter(model: Any, name: str, shape: tuple[int, int]) -> None:
    """Raises CheckFailed unless model.W or model.b holds numbers in this shape."""
    value = getattr(model, name)
    if value is None:
        fail(
            f"model.{name} is None after the constructor",
            called=CONSTRUCTOR,
            cause="not_implemented",
            expected=f"an array of shape {shape}",
        )
    array = as_array(value, f"model.{name}", called=CONSTRUCTOR)
    if array.shape != shape:
        fail(
            f"model.{name} has shape {array.shape}",
            called=CONSTRUCTOR,
            cause=shape_cause(array.shape, shape),
            expected=f"model.{name} of shape {shape}",
            fitting=["wrong_shape"],
        )


def shape_cause(got: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """What is wrong with a shape: the two sizes exchanged, one of them off by one, or anything else."""
    if got == wanted[::-1]:
        return "transposed"
    if len(got) == len(wanted) and sorted(abs(a - b) for a, b in zip(got, wanted, strict=True)) == [0, 1]:
        return "off_by_one"
    return "wrong_shape"


CONSTRUCTOR = "Model(train_images, train_labels, num_classes, hp, test_images, test_labels)"


class Network:
    """A submission's model with weights and biases of ours.

    Where its constructor raises, which costs points elsewhere, its methods are called on an object with the attributes
    of the stencil instead.
    """

    def __init__(self, submission: Any, data: DataSet, hp: Any, settings: Settings, W: Array, b: Array) -> None:
        self._submission = submission
        try:
            self._model: Any = new_model(submission, data, hp)
        except StudentError:
            fields = {**stencil_fields(data, hp, settings), "W": W, "b": b}
            self._model = StandIn("Model", fields, imitates="Model")
            return
        self._model.W = W
        self._model.b = b

    def call(self, method: str, *arguments: Any) -> Any:
        """Call one of the model's methods."""
        if isinstance(self._model, StandIn):
            model_class = attribute(self._submission, "Model", "the submission")
            return call(model_class, method, self._model, *arguments, name="Model")
        return call(self._model, method, *arguments, name="model")

    def call_and_return_argument(self, probes: Any, method: str, argument: Any) -> tuple[Any, Any]:
        """Call one of the model's methods; its answer, and the argument as it is after the call."""
        stand_in = isinstance(self._model, StandIn)
        holder = attribute(self._submission, "Model", "the submission") if stand_in else self._model
        function = attribute(holder, method, "model")
        if not isinstance(function, Remote):
            fail(f"model.{method} is not a function", cause="wrong_type")
        arguments = (self._model, argument) if stand_in else (argument,)
        answer, after = probes.call_and_return_arguments(function, *arguments)
        return answer, after[-1] if after else None

    def W(self) -> Any:
        """The weights as they are now: hostile, like every answer."""
        return self._attribute("W")

    def b(self) -> Any:
        """The biases as they are now."""
        return self._attribute("b")

    def _attribute(self, name: str) -> Any:
        if isinstance(self._model, StandIn):
            return getattr(self._model.fields, name, None)  # the student's code may have deleted it
        return getattr(self._model, name)


def network_of(submission: Any, probes: Any, layer: Layer) -> Network:
    """A submission's model with the weights and biases of `layer`."""
    data = plain_data(*layer.W.shape)
    return Network(submission, data, probes.module("hyperparameters"), Settings(), layer.W, layer.b)


def stencil_fields(data: DataSet, hp: Any, settings: Settings) -> dict[str, Any]:
    """The attributes that the stencil's constructor sets, except `clf`."""
    return {
        "input_size": data.pixels,
        "num_classes": data.classes,
        "num_epochs": settings.num_epochs,
        "learning_rate": settings.learning_rate,
        "batch_size": 1,
        "hp": hp,
        "train_images": data.images,
        "train_labels": data.labels,
        "test_images": data.test_images,
        "test_labels": data.test_labels,
    }


def call_static(submission: Any, method: str, *arguments: Any) -> Any:
    """`Model.method(...)`; a method that was written without @staticmethod gets an object to be called on."""
    model_class = attribute(submission, "Model", "the submission")
    return with_or_without_object(lambda *given: call(model_class, method, *given, name="Model"), *arguments)


def with_or_without_object(call_with: Callable[..., Any], *arguments: Any) -> Any:
    """`call_with(*arguments)`, or with an object first where the method does not take so few arguments."""
    try:
        return call_with(*arguments)
    except StudentError as error:
        if not _does_not_fit(error):
            raise
        without_object = error
    try:
        return call_with(StandIn("Model", imitates="Model"), *arguments)
    except StudentError as error:
        raise (without_object if _does_not_fit(error) else error) from None


def _does_not_fit(error: StudentError) -> bool:
    """Whether a call failed before a line of the student's ran: a wrong number of arguments."""
    return error.type_name == "TypeError" and not error.frames
