"""The controls that rows may ask for: their lattice, and the guard that carries them out.

Law of this module: every parameter is an element of a lattice, so that rows of several laws are joined and
never overwrite each other; `loosens` is defined here once, for all controls, by the order of those lattices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bylaw.plan.facts import Facts
from bylaw.plan.lattice import (
    Chain,
    Either,
    Exactly,
    Highest,
    Keyed,
    Lattice,
    Lowest,
    Members,
    Record,
    Value,
    Within,
)
from bylaw.plan.parameters import ContentTerms, Disclosure, LimitsAsked, Privacy, Retention
from bylaw.plan.source import Node
from bylaw.plan.typed import build

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Control:
    """One kind of measure.

    Args:
        name: as rows and guards (`Guard.control`) name it.
        guard: the guard whose step carries it out; empty: the ledger does.
        asks: dataclass of the parameters that a row gives.
        lattice: how the parameters of several rows are joined.
        lift: parameters and facts -> lattice value.
        options: lattice value -> options of the guard.
        directions: lattice value -> `on` of the step.
    """

    name: str
    guard: str
    asks: type[Any]
    lattice: Lattice
    lift: Callable[[Any, Facts], Value]
    options: Callable[[Value], Plain]
    directions: Callable[[Value], frozenset[str]]

    def read(self, parameters: Node) -> Any:
        """The typed parameters of a row.

        Raises:
            ConfigError: with file and line.
        """
        return build(self.asks, parameters)


NOTICE = Record(
    {
        "cadence": Chain(("first_reply", "every_reply")),
        "position": Chain(("end", "start")),
        "text": Keyed(Exactly()),
    }
)
TERM = Record(
    {"expression": Exactly(), "action": Chain(("flag", "redact", "block")), "replacement": Exactly()}
)


def _only(value: frozenset[str]) -> str:
    return next(iter(value), "")


def _lift_disclosure(asked: Disclosure, _: Facts) -> Value:
    notices = {
        notice.id: {
            "cadence": notice.cadence,
            "position": notice.position,
            "text": {language: frozenset({text}) for language, text in notice.text.items()},
        }
        for notice in asked.notices
    }
    return {"notices": notices, "header": asked.header}


def _disclosure_options(value: Value) -> Plain:
    return {"notices": [_notice(name, value["notices"][name]) for name in sorted(value["notices"])],
            "header": value["header"]}  # fmt: skip


def _notice(name: str, value: Value) -> Plain:
    languages = sorted(value["text"], key=lambda language: (language != "en", language))
    texts = {language: _only(value["text"][language]) for language in languages}
    return {"id": name, "cadence": value["cadence"], "position": value["position"], "text": texts}


def _lift_privacy(asked: Privacy, _: Facts) -> Value:
    return {
        "mode": asked.mode,
        "directions": frozenset(asked.directions),
        "entities": frozenset(asked.entities),
        "regions": frozenset(asked.regions),
    }


def _privacy_options(value: Value) -> Plain:
    return {
        "mode": value["mode"],
        "entities": sorted(value["entities"]),
        "regions": sorted(value["regions"]),
    }


def _lift_terms(asked: ContentTerms, _: Facts) -> Value:
    rules = {
        rule.name: {
            "expression": frozenset({rule.expression}),
            "action": rule.action,
            "replacement": frozenset({rule.replacement} - {""}),
        }
        for rule in asked.rules
    }
    return {"rules": rules, "directions": frozenset(asked.directions)}


def _terms_options(value: Value) -> Plain:
    return {"rules": [_term(name, value["rules"][name]) for name in sorted(value["rules"])]}


def _term(name: str, value: Value) -> Plain:
    term = {"name": name, "expression": _only(value["expression"]), "action": value["action"]}
    return term | ({"replacement": _only(value["replacement"])} if value["replacement"] else {})


def _lift_limits(asked: LimitsAsked, facts: Facts) -> Value:
    models = None if asked.models_allowed is None else frozenset(asked.models_allowed)
    stated = facts.known.get(asked.models_allowed_fact)
    return {
        "models_allowed": Within().join(models, stated),
        "prompt_chars_max": asked.prompt_chars_max,
        "max_tokens_max": asked.max_tokens_max,
    }


def _limits_options(value: Value) -> Plain:
    given = {name: part for name, part in value.items() if part is not None}
    return {name: sorted(part) if isinstance(part, frozenset) else part for name, part in given.items()}


def _lift_retention(asked: Retention, _: Facts) -> Value:
    return {"classes": {asked.name: {"days_min": asked.days_min}}}


CONTROLS: Mapping[str, Control] = {
    control.name: control
    for control in (
        Control(
            "disclosure", "disclosure", Disclosure, Record({"notices": Keyed(NOTICE), "header": Either()}),
            _lift_disclosure, _disclosure_options, lambda _: frozenset({"prompt", "reply"}),
        ),
        Control(
            "privacy", "pii", Privacy,
            Record({"mode": Chain(("flag", "placeholder", "redact", "block")), "directions": Members(),
                    "entities": Members(), "regions": Members()}),
            _lift_privacy, _privacy_options, lambda value: frozenset(value["directions"]),
        ),
        Control(
            "content_terms", "patterns", ContentTerms,
            Record({"rules": Keyed(TERM), "directions": Members()}),
            _lift_terms, _terms_options, lambda value: frozenset(value["directions"]),
        ),
        Control(
            "limits", "limits", LimitsAsked,
            Record({"models_allowed": Within(), "prompt_chars_max": Lowest(), "max_tokens_max": Lowest()}),
            _lift_limits, _limits_options, lambda _: frozenset({"prompt"}),
        ),
        Control(
            "retention", "", Retention, Record({"classes": Keyed(Record({"days_min": Highest()}))}),
            _lift_retention, lambda _: {}, lambda _: frozenset(),
        ),
    )
}  # fmt: skip


def loosens(before: Mapping[str, Value], after: Mapping[str, Value]) -> tuple[str, ...]:
    """Names of the controls that ask for less in `after` than in `before`; empty: nothing was loosened."""
    return tuple(
        name
        for name, value in before.items()
        if not CONTROLS[name].lattice.leq(value, after.get(name, CONTROLS[name].lattice.bottom))
    )
