"""Bounds on what a request may ask for."""

from bylaw_plugins.limits.guard import Limits, LimitsOptions

__all__ = ["Limits", "LimitsOptions"]
