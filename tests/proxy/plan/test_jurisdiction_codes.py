"""Codes of jurisdictions."""

from __future__ import annotations

import pytest

from bylaw.plan.codes import EU_MEMBERS, EU_TERRITORIES, Code, parse_codes


@pytest.mark.parametrize("text", ["EU", "CN", "US-CA", "GB-ENG", "US-1", "NO"])
def test_a_well_formed_code_is_itself(text):
    assert text == Code.from_text(text)


@pytest.mark.parametrize(
    "text", ["", "E", "EUR", "eu", "US-", "US-ABCD", "US-ca", "US/CA", "EU\n", "\uff25\uff35"]
)
def test_a_malformed_code_is_refused(text):
    with pytest.raises(ValueError, match="is not a jurisdiction such as EU or US-CA"):
        Code.from_text(text)


def test_a_header_is_a_list():
    assert {"EU", "US-CA", "NO"} == parse_codes("EU , US-CA,\tNO,,EU")


def test_the_union_has_27_members_and_no_territory_twice():
    assert (27, frozenset()) == (len(EU_MEMBERS), EU_MEMBERS & EU_TERRITORIES)
