"""What a deployment says about itself, and which rows that makes apply.

Law of this module: a fact that is not known never releases anybody: the row applies, and the answer names the
fact that was assumed. A fact that is misspelt is an error, as it would silently switch rows off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from bylaw.plan.source import Node
from bylaw.plan.typed import build, nearest

ROLES = (
    "provider", "deployer", "operator", "controller", "processor", "model_provider", "frontier_developer",
    "licensor", "platform",
)  # fmt: skip
PURPOSES = (
    "general_assistant", "customer_service", "coding", "companion", "mental_health", "health", "clinical",
    "decision_on_persons", "commerce", "election", "publish_to_public", "agent", "emotion_recognition",
    "biometric_identification", "biometric_categorisation", "internal_only", "machine_to_machine",
)  # fmt: skip
SECTORS = (
    "finance", "insurance", "health", "employment", "education", "public_sector", "law_enforcement",
    "critical_infrastructure", "retail", "media", "other",
)  # fmt: skip
SYSTEM_CLASSES = (
    "none", "eu_annex_iii", "eu_annex_iii_1a", "eu_annex_i", "gpai", "gpai_systemic", "cn_public_service",
    "device",
)  # fmt: skip
VOCABULARY: Mapping[str, frozenset[str]] = {
    "role": frozenset(ROLES),
    "purpose": frozenset(PURPOSES),
    "sector": frozenset(SECTORS),
    "system_class": frozenset(SYSTEM_CLASSES),
    "audience": frozenset({"adults", "minors", "general_public", "workers", "students", "patients"}),
    "modality": frozenset({"text", "image", "audio", "video"}),
    "users_band": frozenset({"up_to_1m", "over_1m", "over_2m"}),
}
FREE = frozenset({"filed_models"})

Condition = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of the deployment; a name that is missing from `known` is unknown.

    Args:
        known: values by name of the fact, e.g. `{"role": {"deployer"}, "filed_models": {"m-1"}}`.
        placed_on_market: when the system was first placed on the market; None: unknown.
    """

    known: Mapping[str, frozenset[str]] = field(default_factory=dict)
    placed_on_market: date | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """Whether a row's conditions hold.

    Args:
        reason: why they do not.
        assumed: unknown facts that were taken strictly.
    """

    holds: bool
    reason: str = ""
    assumed: tuple[str, ...] = ()


def read_facts(node: Node) -> Facts:
    """Read the section `deployment` of a configuration: each fact is one word or a list of words.

    Raises:
        ConfigError: an unknown fact or value, with place and the nearest valid one.
    """
    sections = dict(node.value) if isinstance(node.value, dict) else {}
    if node.value is not None and not isinstance(node.value, dict):
        raise node.error("expected facts by name, e.g. `role: deployer`")
    market = sections.pop("placed_on_market", None)
    placed = build(date, market) if market is not None else None
    return Facts({name: _values(name, child) for name, child in sections.items()}, placed)


def _values(name: str, node: Node) -> frozenset[str]:
    valid = [*VOCABULARY, *FREE, "placed_on_market"]
    if name not in valid:
        raise node.error(f"unknown fact{nearest(name, valid)} Valid facts: {', '.join(valid)}")
    items = node.value if isinstance(node.value, list) else [node]
    if not items:
        raise node.error("an empty list says nothing; leave the fact out if it is unknown")
    return frozenset(_word(name, item) for item in items)


def _word(name: str, node: Node) -> str:
    word = node.value
    if not isinstance(word, str) or not word:
        raise node.error("expected a word or a list of words")
    check_word(name, word, node)
    return word


def check_word(name: str, word: str, node: Node) -> None:
    """Refuse a value that the vocabulary of this fact does not have.

    Raises:
        ConfigError: at `node`, with the nearest valid value.
    """
    known = VOCABULARY.get(name)
    if known is not None and word not in known:
        raise node.error(f"unknown {name} `{word}`{nearest(word, known)} Valid: {', '.join(sorted(known))}")


def match(applies: Condition, unless: Condition, facts: Facts) -> Match:
    """Compare the conditions of a row with what is known.

    Args:
        applies: by fact, the values of which at least one must be given.
        unless: by fact, the values that release when nothing but them is given.
        facts: what is known.
    """
    for name, wanted in applies.items():
        have = facts.known.get(name)
        if have is not None and not have & set(wanted):
            return Match(False, f"{name} is {_list(have)}; the row is for {_list(wanted)}")
    for name, released in unless.items():
        have = facts.known.get(name)
        if have and have <= set(released):
            return Match(False, f"{name} is {_list(have)}, which the row leaves out")
    asked = (*applies, *unless)
    return Match(True, assumed=tuple(dict.fromkeys(name for name in asked if name not in facts.known)))


def _list(words: frozenset[str] | tuple[str, ...]) -> str:
    return " or ".join(sorted(words)) if isinstance(words, tuple) else " and ".join(sorted(words)) or "none"
