"""The shipped packs: complete, honest, and within what this version can do."""

import re
from datetime import date

import pytest

import bylaw_policies
from bylaw.plan.controls import CONTROLS
from bylaw.plan.packs import BINDING, check_packs, load_pack

PACKS = {resource.name: load_pack(resource.text, resource.file) for resource in bylaw_policies.packs()}
ROWS = [row for pack in PACKS.values() for row in pack.rows]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


def test_every_shipped_pack_loads_under_its_own_name_and_no_id_is_used_twice():
    check_packs(PACKS.values())
    assert {name: pack.name for name, pack in PACKS.items()} == {name: name for name in PACKS}


def test_the_packs_hold_all_their_rows():
    assert {"eu": 41, "us-ca": 16, "cn": 19} == {name: len(pack.rows) for name, pack in PACKS.items()}


def test_what_is_enforced_and_evidenced_today():
    enforced = {row.id for row in ROWS if row.duty == "enforced"}
    evidenced = {row.id for row in ROWS if row.duty == "evidenced"}
    assert {
        "EU-50-1-INTERACT", "EU-50-5-FORM", "CN-LAB-EXPLICIT", "CN-GENAI-PRIVACY", "CN-GENAI-FILING",
        "CN-ANTHRO-NOTICE", "CA-243-NOTICE", "CA-BOT", "CA-489-LICENCE",
    } == enforced  # fmt: skip
    assert {"GDPR-5-MIN", "EU-12-LOG", "EU-19-RET-PROV", "EU-26-6-RET-DEPL", "CN-CSL-LOG-6M"} == evidenced


@each_row
def test_a_row_of_the_operator_says_that_it_is_not_enforced_and_what_people_do(row):
    if row.duty == "operator":
        assert "not enforced by this version" in row.does
    assert row.people


@each_row
def test_only_what_binds_is_carried_out(row):
    assert row.duty == "operator" or row.status in BINDING


@each_row
def test_dates_agree_with_the_status_on_the_day_the_law_was_read(row):
    as_of = date(2026, 11, 23)
    if row.status == "in_force":
        assert row.effective_from <= as_of
    if row.status == "adopted_future":
        assert row.effective_from > as_of


@each_row
def test_a_row_names_its_sources_or_says_that_it_has_none(row):
    named = set(re.findall(r"S\d\d", row.certainty_note))
    assert named <= set(row.sources)
    assert row.sources or row.certainty == "general_knowledge_unverified"


@each_row
def test_no_row_says_that_anybody_complies(row):
    words = " ".join((row.does, row.people, row.evidence)).lower()
    assert not re.search(r"compl(y|ies|iant|iance)", words)


def notices():
    for row in ROWS:
        if row.control == "disclosure":
            yield from ((row.id, notice) for notice in CONTROLS["disclosure"].read(row.parameters).notices)


def test_the_notice_of_the_union_is_written_in_languages_of_the_union():
    (notice,) = (notice for row, notice in notices() if row == "EU-50-1-INTERACT")
    assert {"en", "de", "fr", "es", "it", "nl", "pl", "pt"} <= set(notice.text)
    assert ("first_reply", "start") == (notice.cadence, notice.position)
    assert len(notice.text) == len(set(notice.text.values()))


def test_the_chinese_label_has_the_words_that_the_law_asks_for_and_stands_on_every_reply():
    (notice,) = (notice for row, notice in notices() if row == "CN-LAB-EXPLICIT")
    text = notice.text["zh"]
    assert ("人工智能" in text or "AI" in text, "生成" in text or "合成" in text) == (True, True)
    assert ("every_reply", "start") == (notice.cadence, notice.position)


def test_notice_ids_are_unique():
    ids = [notice.id for _, notice in notices()]
    assert len(set(ids)) == len(ids)


def test_texts_of_notices_are_one_line():
    assert [] == [notice.id for _, notice in notices() if any("\n" in text for text in notice.text.values())]
