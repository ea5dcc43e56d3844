"""The fixture that the public checks of this exercise share."""

from .common import watched  # noqa: F401
