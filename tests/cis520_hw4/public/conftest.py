"""The fixture that the public checks of this homework share."""

from .common import seen  # noqa: F401
