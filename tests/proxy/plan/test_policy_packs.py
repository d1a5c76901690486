"""`bylaw.plan.packs`: what a pack may say."""

import hashlib
from datetime import date

import pytest

from bylaw.errors import ConfigError
from bylaw.plan.packs import Transition, check_packs, load_pack

HEAD = """\
pack: xx
version: "1"
title: Example
jurisdictions: [XX]
as_of: 2026-01-01
note: made up
sources: {S1: a book}
rows:
"""
ROW = {
    "id": "XX-1", "title": "Tell", "citation": "Art. 1", "law": "X Act", "requirement": "Say so.",
    "status": "in_force", "effective_from": "2026-01-01", "certainty": "verified",
    "certainty_note": "read", "sources": "[S1]", "topic": "disclosure", "class": "enforced",
    "control": "disclosure", "parameters": "{header: true}", "does": "Says so.", "people": "Check it.",
    "evidence": "The step.",
}  # fmt: skip


def pack_text(**changes: str | None) -> str:
    """One pack with one row; a key given as None is left out."""
    row = {name: text for name, text in (ROW | changes).items() if text is not None}
    return HEAD + "  - " + "\n    ".join(f"{name}: {text}" for name, text in row.items()) + "\n"


def test_a_row_says_what_binds_since_when_and_what_is_done():
    pack = load_pack(
        pack_text(transition="{placed_before: 2026-01-01, effective_from: 2027-01-01}"), "xx.yaml"
    )
    row = pack.rows[0]
    assert ("XX-1", "X Act, Art. 1", date(2026, 1, 1), "enforced") == (
        row.id,
        row.cites,
        row.effective_from,
        row.duty,
    )
    assert Transition(date(2026, 1, 1), date(2027, 1, 1)) == row.transition
    assert ("xx.yaml", 9, {"header": True}) == (row.place.file, row.place.line, row.parameters.plain())


def test_a_citation_that_names_its_law_is_not_doubled():
    row = load_pack(pack_text(citation="X Act Art. 1"), "xx.yaml").rows[0]
    assert "X Act Art. 1" == row.cites


def test_the_digest_is_that_of_the_file():
    assert hashlib.sha256(pack_text().encode()).hexdigest() == load_pack(pack_text(), "xx.yaml").digest


@pytest.mark.parametrize(("code", "covered"), [("XX", True), ("XX-AB", True), ("XXA", False), ("X", False)])
def test_a_code_covers_its_subdivisions(code, covered):
    assert covered == load_pack(pack_text(), "xx.yaml").covers(code)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "repealed"}, "class must be `operator`"),
        ({"status": "draft"}, "does not bind"),
        ({"status": "in_farce"}, "in_force"),
        ({"effective_from": None}, "effective_from"),
        ({"effective_from": "2026-13-01"}, "effective_from"),
        ({"effective_to": "2025-01-01"}, "after `effective_from`"),
        ({"people": '""'}, "`people` must not be empty"),
        ({"control": None}, "go together"),
        ({"parameters": None}, "go together"),
        ({"control": None, "parameters": None}, "needs the control"),
        ({"class": "operator"}, "has no control"),
        ({"class": "evidenced"}, "carried out by a guard"),
        ({"control": "retention", "parameters": "{class: a, days_min: 3}"}, "carried out by the ledger"),
        ({"control": "disclosre"}, "disclosure"),
        ({"parameters": "{heder: true}"}, "header"),
        ({"parameters": "{notices: [{id: a, text: {}}]}"}, "at least one language"),
        ({"control": "privacy", "parameters": "{mode: flag, entities: [], regions: [US]}"}, "not be empty"),
        ({"control": "privacy", "parameters": "{mode: flag, entities: [email]}"}, "regions"),
        ({"control": "content_terms", "parameters": "{rules: []}"}, "not be empty"),
        ({"sources": "[S2]"}, "not listed"),
        ({"applies": "{purpos: [companion]}"}, "purpose"),
        ({"applies": "{purpose: [companio]}"}, "companion"),
        ({"applies": "{purpose: []}"}, "would never hold"),
        ({"unless": "{role: [deploier]}"}, "deployer"),
        ({"needs": "[filed_model]"}, "filed_models"),
        ({"clas": "enforced"}, "class"),
    ],
)
def test_a_mistake_is_refused_with_file_and_line(changes, words):
    with pytest.raises(ConfigError) as caught:
        load_pack(pack_text(**changes), "xx.yaml")
    assert words in str(caught.value)
    assert ("xx.yaml", True) == (caught.value.place.file, caught.value.place.line >= 9)


def test_an_id_is_used_once_in_all_packs():
    first = load_pack(pack_text(), "xx.yaml")
    second = load_pack(pack_text().replace("pack: xx", "pack: yy"), "yy.yaml")
    with pytest.raises(ConfigError, match=r"yy.yaml:9.*row XX-1 is already in xx.yaml:9"):
        check_packs([first, second])


def test_a_pack_is_used_once():
    with pytest.raises(ConfigError, match="pack xx is already in"):
        check_packs([load_pack(pack_text(), "xx.yaml"), load_pack(pack_text(id="XX-2"), "yy.yaml")])
