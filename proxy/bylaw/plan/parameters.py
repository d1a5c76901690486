"""What a row may ask of a control: the keys under `parameters`, by control.

Law of this module: values only. How those of several rows are joined is said in `controls`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["prompt", "reply"]


@dataclass(frozen=True, slots=True)
class Notice:
    """A text that people must see: one sentence by language (ISO 639-1)."""

    id: str
    text: dict[str, str]
    cadence: Literal["first_reply", "every_reply"] = "first_reply"
    position: Literal["start", "end"] = "start"

    def __post_init__(self) -> None:
        if not self.text or not all(self.text.values()):
            raise ValueError(f"notice `{self.id}` needs a text in at least one language")


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Notices in replies; `header`: also an `AI-Disclosure` header."""

    notices: tuple[Notice, ...] = ()
    header: bool = False


@dataclass(frozen=True, slots=True)
class Privacy:
    """What happens to personal identifiers.

    Both lists are written out: were an empty one to mean "as the guard likes", a row that names one more
    thing would switch off the rest.

    Args:
        mode: from the loosest to the strictest: `flag`, `placeholder`, `redact`, `block`.
        entities: what is looked for, as the guard `pii` names it.
        regions: countries (ISO 3166) whose way to write phone numbers is known.
        directions: `prompt`, `reply` or both.
    """

    mode: Literal["flag", "placeholder", "redact", "block"]
    entities: tuple[str, ...]
    regions: tuple[str, ...]
    directions: tuple[Direction, ...] = ("prompt", "reply")

    def __post_init__(self) -> None:
        if not self.entities or not self.regions or not self.directions:
            raise ValueError("`entities`, `regions` and `directions` must not be empty")


@dataclass(frozen=True, slots=True)
class Term:
    """An expression (RE2) that must not appear."""

    name: str
    expression: str
    action: Literal["flag", "redact", "block"] = "redact"
    replacement: str = ""


@dataclass(frozen=True, slots=True)
class ContentTerms:
    """Expressions that are looked for in `directions`."""

    rules: tuple[Term, ...]
    directions: tuple[Direction, ...] = ("reply",)

    def __post_init__(self) -> None:
        if not self.rules or not self.directions:
            raise ValueError("`rules` and `directions` must not be empty")


@dataclass(frozen=True, slots=True)
class LimitsAsked:
    """Ceilings of a request; `models_allowed_fact` names the deployment fact that lists the models."""

    models_allowed: tuple[str, ...] | None = None
    models_allowed_fact: str = ""
    prompt_chars_max: int | None = None
    max_tokens_max: int | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """A retention class that every entry bears, and the days that it must be kept at least."""

    name: str = field(metadata={"key": "class"})
    days_min: int
