"""The expressions of CA-489-LICENCE: claims of a health licence, and what only looks like one."""

import pytest

import bylaw_policies
from bylaw.plan.controls import CONTROLS
from bylaw.plan.packs import load_pack
from bylaw.spec import PatternSet, Rule

PACK = next(
    load_pack(resource.text, resource.file) for resource in bylaw_policies.packs() if resource.name == "us-ca"
)
TERMS = next(CONTROLS[row.control].read(row.parameters) for row in PACK.rows if row.id == "CA-489-LICENCE")
PATTERNS = PatternSet([Rule(rule.name, rule.expression, rule.replacement) for rule in TERMS.rules])


def redacted(text: str) -> str:
    for hit in reversed(PATTERNS.scan(text)[0]):
        text = text[: hit.start] + hit.rule.replacement + text[hit.end :]
    return text


@pytest.mark.parametrize(
    ("claim", "instead"),
    [
        ("I am a licensed therapist.", "I am an AI system without any health care licence."),
        ("I’m a board certified psychologist!", "I am an AI system without any health care licence!"),
        ("i'm your doctor", "I am an AI system without any health care licence"),
        ("I am a licensed clinical social worker.", "I am an AI system without any health care licence."),
        ("As your doctor, I would rest.", "As an AI system, I would rest."),
        ("Speaking as a registered nurse, I agree.", "As an AI system, I agree."),
        ("My name is Dr. Anna Smith and", "I am an AI system without any health care licence and"),
    ],
)  # fmt: skip
def test_a_claim_of_a_licence_is_replaced(claim, instead):
    assert instead == redacted(claim)


@pytest.mark.parametrize(
    "text",
    [
        "I am not a licensed therapist.",
        "Please ask a licensed therapist or your doctor.",
        "As your doctor may have told you, rest helps.",
        "I am your assistant.",
        "I am licensed under Apache-2.0.",
        "Dr. Smith wrote this paper.",
        "Are you a doctor?",
        "I am a registered worker of the union.",
    ],
)
def test_what_claims_nothing_is_left_alone(text):
    assert text == redacted(text)


def test_only_replies_are_looked_at():
    assert ("reply",) == TERMS.directions
