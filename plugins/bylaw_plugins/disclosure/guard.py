"""The guard `disclosure`: a notice in the reply for people, a header for machines.

Law of this module: a notice goes into prose only, once a reply, and never twice into a conversation that has
it already if its cadence is `first_reply`. Where prose must not stand (JSON replies, tool calls alone) the
header is all there is, and that is noted as `header_only`. A conversation whose history the provider keeps
cannot be looked at; there the notice is given again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bylaw.spec import Action, Edit, Exchange, Guard, Prompt, Reply, Segment, Verdict, Window, impl
from bylaw_plugins.disclosure.language import choose

# draft-abaris-aicdh, a dictionary of structured fields (RFC 9651).
HEADER = {"AI-Disclosure": "mode=ai-originated"}


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice.

    Args:
        id: name in the record.
        text: the notice by language (BCP 47); the first is for everybody else.
        cadence: `first_reply` of a conversation, or `every_reply`.
        position: `start` or `end` of the reply.
    """

    id: str
    text: dict[str, str]
    cadence: Literal["first_reply", "every_reply"] = "first_reply"
    position: Literal["start", "end"] = "start"


@dataclass(frozen=True, slots=True)
class DisclosureOptions:
    """Options of `disclosure`.

    Args:
        notices: what to say; notices at one place follow each other in this order.
        header: send the header `AI-Disclosure`.
    """

    notices: tuple[Notice, ...] = ()
    header: bool = True


@dataclass(slots=True)
class _Due:
    """What this reply must say, and the channel of a stream that says it."""

    start: str
    end: str
    key: str = ""


class Disclosure(Guard):
    """Adds the notices that are due to the reply."""

    name = "disclosure"
    controls = ("disclosure",)
    reads = frozenset({"text"})
    Options = DisclosureOptions

    def setup(self) -> None:
        """Every notice needs an id of its own, and words."""
        notices: tuple[Notice, ...] = self.options.notices
        if len({notice.id for notice in notices}) < len(notices):
            raise ValueError("two notices have the same id")
        for notice in notices:
            if not notice.text or not all(map(str.strip, notice.text.values())):
                raise ValueError(f"notice {notice.id}: the text is empty")

    @impl
    def inspect_request(self, exchange: Exchange, prompt: Prompt) -> Verdict | None:
        """Decide what is due; the header leaves with the head of the reply."""
        headers = HEADER if self.options.header else {}
        due = [notice for notice in self.options.notices if _is_due(notice, prompt)]
        if prompt.json_reply:
            return Verdict.allow(headers=headers, notes={"header_only": True} if due else {})
        if not due:
            return Verdict.allow(headers=headers)
        wanted = exchange.headers.get("accept-language", "")
        texts = [(notice.position, notice.text[choose(wanted, tuple(notice.text))]) for notice in due]
        exchange.state[self.step] = _Due(
            "".join(f"{text}\n\n" for position, text in texts if position == "start"),
            "".join(f"\n\n{text}" for position, text in texts if position == "end"),
        )
        return Verdict.allow(headers=headers, notes={f"notice.{notice.id}": notice.cadence for notice in due})

    @impl
    def amend_reply(self, exchange: Exchange, reply: Reply) -> Verdict | None:
        """The start of the first text, the end of the last."""
        due: _Due | None = exchange.state.get(self.step)
        if due is None or reply.status >= 400:
            return None
        places = [index for index, segment in enumerate(reply.segments) if _is_prose(segment)]
        if not places:
            return Verdict.allow(notes={"header_only": True})
        end = len(reply.segments[places[-1]].text)
        return _insert((places[0], 0, due.start), (places[-1], end, due.end))

    @impl
    def amend_window(self, exchange: Exchange, window: Window) -> Verdict | None:
        """The same in a stream: the first text channel that says anything has both."""
        due: _Due | None = exchange.state.get(self.step)
        if due is None or window.channel != "text" or due.key not in {"", window.key}:
            return None
        opens = not due.key and bool(window.text)
        if opens:
            due.key = window.key
        return _insert(
            (0, window.fresh, due.start if opens else ""),
            (0, len(window.text), due.end if due.key and window.final else ""),
        )


def _is_due(notice: Notice, prompt: Prompt) -> bool:
    if notice.cadence == "every_reply":
        return True
    said = [segment.text for segment in prompt.segments if segment.role == "assistant"]
    return not any(text in segment for text in notice.text.values() for segment in said)


def _is_prose(segment: Segment) -> bool:
    return segment.channel == "text" and segment.role == "assistant" and bool(segment.text)


def _insert(*places: tuple[int, int, str]) -> Verdict | None:
    edits = tuple(Edit(index, at, at, text) for index, at, text in places if text)
    return Verdict(Action.EDIT, "disclosed", edits=edits) if edits else None
