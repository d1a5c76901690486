"""The guard `pii`: e-mail addresses, telephone numbers, cards, accounts and national numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bylaw.spec import Action, Answer, Hit, PatternGuard, PatternSet, Rule
from bylaw_plugins.pii import national, phone, worldwide

ENTITIES = ("email", "phone", "card", "iban", "national_id", "ip_address")
DEFAULT = ENTITIES[:-1]
REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "IN", "BR")


@dataclass(frozen=True, slots=True)
class PiiOptions:
    """Options of `pii`.

    Args:
        entities: what to look for: `email`, `phone`, `card`, `iban`, `national_id`, `ip_address`.
        mode: `redact` puts `[EMAIL]` in place of an address; `placeholder` sends the provider `<EMAIL_1>` and
            puts the address back into the reply (what a model itself writes is flagged); `flag`; `block`.
        regions: countries (ISO 3166) whose national way to write telephone numbers is known, empty for
            `REGIONS`; numbers in international form are found whatever is named here.
        countries: look for the national numbers of these countries only (ISO 3166); empty means of all known.
    """

    entities: tuple[str, ...] = DEFAULT
    mode: Literal["redact", "placeholder", "flag", "block"] = "redact"
    regions: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()


class Pii(PatternGuard):
    """Finds identifiers by form and check digit; bare digits count only after a word that announces them."""

    name = "pii"
    controls = ("privacy",)
    code = "personal_data_found"
    message = "The text contains personal data."
    Options = PiiOptions

    def setup(self) -> None:
        """Choose the rules."""
        options: PiiOptions = self.options
        _check("entity", options.entities, ENTITIES)
        _check("country of national numbers", options.countries, national.COUNTRIES)
        _check("telephone region", options.regions, phone.known_regions())
        rules = [rule for entity in options.entities for rule in _rules(entity, options)]
        if not rules:
            raise ValueError("no entity is left to look for")
        self.patterns = PatternSet(rules)

    def answer(self, hit: Hit, asked: bool) -> Answer:
        """The replacement is a rule's label: `EMAIL`, `CARD`, `ID`."""
        mode = self.options.mode
        if mode == "block":
            return Answer(Action.BLOCK)
        if mode == "flag" or (mode == "placeholder" and not asked):
            return Answer(Action.FLAG)
        if mode == "placeholder":
            return Answer(Action.EDIT, hit.rule.replacement, restore=True)
        return Answer(Action.EDIT, f"[{hit.rule.replacement}]")


def _rules(entity: str, options: PiiOptions) -> tuple[Rule, ...]:
    match entity:
        case "phone":
            return phone.rules(options.regions or REGIONS)
        case "national_id":
            return national.rules(options.countries)
    return worldwide.RULES[entity]


def _check(what: str, given: tuple[str, ...], known: tuple[str, ...] | frozenset[str]) -> None:
    for name in given:
        if name not in known:
            raise ValueError(f"unknown {what} {name!r}; known are {', '.join(sorted(known))}")
