"""Finds what identifies a person, and hides, replaces, flags or refuses it."""

from bylaw_plugins.pii.guard import Pii, PiiOptions

__all__ = ["Pii", "PiiOptions"]
