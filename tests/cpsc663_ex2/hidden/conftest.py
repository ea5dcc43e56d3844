"""The fixture that the hidden checks of this exercise share."""

from ..public.common import watched  # noqa: F401
