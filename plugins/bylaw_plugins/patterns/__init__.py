"""The operator's own expressions."""

from bylaw_plugins.patterns.guard import PatternRule, Patterns, PatternsOptions

__all__ = ["PatternRule", "Patterns", "PatternsOptions"]
