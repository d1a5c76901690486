"""Keeps credentials from leaving, in either direction."""

from bylaw_plugins.secrets.guard import Secrets, SecretsOptions

__all__ = ["Secrets", "SecretsOptions"]
