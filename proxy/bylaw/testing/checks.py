"""Does a guard keep the contract? The checks that a reviewer would make, made by a machine.

Law of this module: a check that passes is evidence, not proof: it tries the texts below and those that the
author adds. Add texts that your guard reacts to.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from bylaw.errors import BylawError
from bylaw.plan.guardcheck import check_guard
from bylaw.spec.guard import Guard
from bylaw.testing.case import GuardCase, Result, assert_cut_invariant, guard_case
from bylaw.testing.make import make_exchange, make_prompt, make_reply, make_tool_call
from bylaw.verdict import Edit, Finding, Verdict

SAMPLES = (
    "",
    "Quite ordinary prose, as a model writes it all day long.",
    "Write to jane.doe@example.com or call +49 30 901820 before 2027-01-31, order 4711-0815.",
    "key AKIAIOSFODNN7EXAMPLE, card 4111 1111 1111 1111, IBAN DE89 3704 0044 0532 0130 00",
    "Grüße aus Köln, 你好，世界, שלום, and a face 🙂🙃 with\ttabs\r\nand lines\n\n.",
    '{"name": "x", "values": [1, 2.5, null], "nested": {"text": "\\u00e9"}}',
    "<b>0000 1111 2222 3333 4444 5555 6666 7777 8888 9999</b> " * 4,
)


@dataclass(frozen=True, slots=True)
class Check:
    """One check; `problem` is empty if it passed."""

    name: str
    problem: str = ""


def conformance(cls: type[Guard], options: Any = None, texts: Sequence[str] = ()) -> list[Check]:
    """Try everything that the contract asks of a guard.

    Args:
        cls: the guard class.
        options: as for `guard_case`.
        texts: texts that the guard reacts to, tried besides `SAMPLES`.
    """
    samples = (*SAMPLES, *texts)
    checks: list[tuple[str, Callable[[], object]]] = [
        ("class: hooks are marked, take two arguments, are not wrapped", lambda: check_guard("verify", cls)),
        ("options: the guard can be built", lambda: guard_case(cls, options)),
        ("verdicts: of the right type, spans inside the text", lambda: _verdicts(cls, options, samples)),
        (
            "secrecy: no content in codes, messages, categories, notes",
            lambda: _secrecy(cls, options, samples),
        ),
        ("input: nothing that it was given is changed", lambda: _untouched(cls, options, samples)),
        ("cuts: a stream's outcome does not depend on them", lambda: _cuts(cls, options, samples)),
        (
            "concurrency: two exchanges at once do not disturb each other",
            lambda: _apart(cls, options, samples),
        ),
    ]
    return [_tried(name, check) for name, check in checks]


def assert_conforms(cls: type[Guard], options: Any = None, texts: Sequence[str] = ()) -> None:
    """Fail with every problem that `conformance` finds."""
    problems = [
        f"{check.name}: {check.problem}" for check in conformance(cls, options, texts) if check.problem
    ]
    assert not problems, "\n".join(problems)


def _tried(name: str, check: Callable[[], object]) -> Check:
    try:
        check()
    except (AssertionError, BylawError) as error:
        return Check(name, str(error) or type(error).__name__)
    except Exception as error:
        return Check(name, f"raised {type(error).__name__}: {error}")
    return Check(name)


def _subjects(text: str) -> list[tuple[str, Any]]:
    prompt = make_prompt(
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    )
    return [
        ("request", prompt),
        ("reply", make_reply(texts=[text, "Another answer."])),
        ("tool_call", make_tool_call("search", {"query": text, "options": ["a", text]})),
        ("amend_reply", make_reply(text)),
    ]


def _verdicts(cls: type[Guard], options: Any, samples: Sequence[str]) -> None:
    first = guard_case(cls, options)
    for text in samples:
        case = first.again()
        case.prompt(text)
        case.reply(text)
        case.tool_call("search", {"query": text})
        case.stream(text, range(len(text) + 1))


def _secrecy(cls: type[Guard], options: Any, samples: Sequence[str]) -> None:
    first = guard_case(cls, options)
    for text in samples:
        case = first.again()
        for stage, subject in _subjects(text):
            _check_secrecy(case.call(stage, subject), [segment.text for segment in subject.segments])


def _check_secrecy(verdict: Verdict, texts: Sequence[str]) -> None:
    said = [verdict.code, verdict.message, *verdict.notes, *map(str, verdict.notes.values())]
    said += [finding.category for finding in verdict.findings] + list(verdict.headers.values())
    spans: tuple[Edit | Finding, ...] = (*verdict.findings, *verdict.edits)
    matched = {texts[span.segment][span.start : span.end] for span in spans}
    for content in [*texts, *matched]:
        told = len(content) >= 6 and any(content in one for one in said)
        assert not told, "content of the exchange is repeated in a code, message, category, note or header"


def _untouched(cls: type[Guard], options: Any, samples: Sequence[str]) -> None:
    first = guard_case(cls, options)
    for text in samples:
        case = first.again()
        for stage, subject in _subjects(text):
            before = copy.deepcopy(subject)
            case.call(stage, subject)
            assert before == subject, f"{stage} changed what it was given; return edits instead"


def _cuts(cls: type[Guard], options: Any, samples: Sequence[str]) -> None:
    first = guard_case(cls, options)
    for text in samples:
        assert_cut_invariant(first, text, examples=5)


def _apart(cls: type[Guard], options: Any, samples: Sequence[str]) -> None:
    """Interleave streams of different texts in one instance; each must end as it does alone."""
    guard, fresh = guard_case(cls, options).guard, guard_case(cls, options)
    before = dict(vars(guard))
    for texts in zip(samples, reversed(samples), strict=True):
        alone = [fresh.again().stream(text, range(len(text))) for text in texts]
        assert alone == _interleaved(guard, texts), "an exchange changed what another one got"
    after = vars(guard)
    changed = [name for name in {*before, *after} if before.get(name) is not after.get(name)]
    assert not changed, f"an exchange changed self.{', self.'.join(changed)}; use exchange.state[self.step]"


def _interleaved(guard: Guard, texts: Sequence[str]) -> list[Result]:
    streams = [GuardCase(guard, make_exchange()).steps(text, range(len(text))) for text in texts]
    ended = [Result() for _ in streams]
    for results in zip_longest(*streams):
        ended = [last if now is None else now for now, last in zip(results, ended, strict=True)]
    return ended
