"""The guard `secrets`: API keys, tokens, private keys and passwords."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bylaw.spec import Action, Answer, Hit, PatternGuard, PatternSet
from bylaw_plugins.secrets.rules import RULES

# A 16384 bit RSA key in PEM has 12.6 kB.
SPAN_MAX_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class SecretsOptions:
    """Options of `secrets`.

    Args:
        action: `redact` puts `[REDACTED:kind]` in its place, `block` refuses the exchange, `flag` records.
        kinds: look for these kinds only, e.g. `[aws_access_key, private_key]`; empty looks for all.
        ignore: kinds not to look for.
    """

    action: Literal["redact", "block", "flag"] = "redact"
    kinds: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


class Secrets(PatternGuard):
    """Finds credentials by their exact forms; no guess is made from randomness alone."""

    name = "secrets"
    code = "secret_found"
    message = "The text contains a credential."
    Options = SecretsOptions

    def setup(self) -> None:
        """Choose the rules."""
        known = {rule.name for rule in RULES}
        options: SecretsOptions = self.options
        for kind in (*options.kinds, *options.ignore):
            if kind not in known:
                raise ValueError(f"unknown kind of secret {kind!r}; known are {', '.join(sorted(known))}")
        wanted = (set(options.kinds) or known) - set(options.ignore)
        rules = [rule for rule in RULES if rule.name in wanted]
        if not rules:
            raise ValueError("no kind of secret is left to look for")
        self.patterns = PatternSet(rules, SPAN_MAX_BYTES)

    def answer(self, hit: Hit, asked: bool) -> Answer:
        """The same for every kind."""
        match self.options.action:
            case "block":
                return Answer(Action.BLOCK)
            case "flag":
                return Answer(Action.FLAG)
        return Answer(Action.EDIT, f"[REDACTED:{hit.rule.name}]")
