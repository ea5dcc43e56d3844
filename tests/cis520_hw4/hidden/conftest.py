"""The fixture that the hidden checks of this homework share."""

from ..public.common import seen  # noqa: F401
