"""Tells people that they talk to a machine."""

from bylaw_plugins.disclosure.guard import Disclosure, DisclosureOptions, Notice

__all__ = ["Disclosure", "DisclosureOptions", "Notice"]
