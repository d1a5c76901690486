"""The plugin module that the entry point `bylaw-builtin` names."""

from __future__ import annotations

from collections.abc import Sequence

from bylaw.spec import Guard, impl
from bylaw_plugins.audit import Audit
from bylaw_plugins.disclosure import Disclosure
from bylaw_plugins.limits import Limits
from bylaw_plugins.patterns import Patterns
from bylaw_plugins.pii import Pii
from bylaw_plugins.secrets import Secrets


@impl
def register_guards() -> Sequence[type[Guard]]:
    """All guards of this package."""
    return (Audit, Disclosure, Limits, Patterns, Pii, Secrets)
