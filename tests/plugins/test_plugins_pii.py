"""The guard `pii`: identifiers are found by form and check digit, lookalikes are left alone."""

import pytest

from bylaw.testing import assert_conforms, assert_cut_invariant, guard_case
from bylaw.verdict import Action
from bylaw_plugins.pii import Pii
from bylaw_plugins.pii.national import COUNTRIES

FOUND = {
    "Write to jane.doe+x@mail.example.co.uk.": "Write to [EMAIL].",
    "Schreib an jörg@müller.de!": "Schreib an [EMAIL]!",
    "call +49 30 901820 now": "call [PHONE] now",
    "+1 (415) 555-2671, ask for Jo": "[PHONE], ask for Jo",
    "0033 1 42 68 53 00": "[PHONE]",
    "My phone is 0171 2345678.": "My phone is [PHONE].",
    "(415) 555-2671": "[PHONE]",
    "415-555-2671": "[PHONE]",
    "4111 1111 1111 1111 exp 12/27": "[CARD] exp 12/27",
    "card 5500005555555559": "card [CARD]",
    "amex 3782 822463 10005": "amex [CARD]",
    "4111-1111-1111-1111": "[CARD]",
    "IBAN DE89 3704 0044 0532 0130 00 of ACME": "IBAN [IBAN] of ACME",
    "GB29NWBK60161331926819": "[IBAN]",
    "SSN 536-90-4399": "SSN [ID]",
    "my ssn: 536904399": "my ssn: [ID]",
    "AB 12 34 56 C": "[ID]",
    "NHS number 943 476 5870": "NHS number [ID]",
    "Steuer-ID 36 574 261 809": "Steuer-ID [ID]",
    "NIR 2 95 10 99 126 111 93": "NIR [ID]",
    "DNI 54362315K": "DNI [ID]",
    "NIE X2482300W": "NIE [ID]",
    "RCCMNL83S18D969H": "[ID]",
    "BSN 111222333": "BSN [ID]",
    "85.07.30-033.28": "[ID]",
    "PESEL 44051401359": "PESEL [ID]",
    "personnummer 880320-0016": "personnummer [ID]",
    "131052-308T": "[ID]",
    "CPR 211062-5629": "CPR [ID]",
    "身份证 11010519491231002X": "身份证 [ID]",
    "971013-9019902": "[ID]",
    "aadhaar 2341 2341 2346": "aadhaar [ID]",
    "390.533.447-05": "[ID]",
    "SIN 046 454 286": "SIN [ID]",
    "TFN 123 456 782": "TFN [ID]",
    "756.9217.0769.85": "[ID]",
    "S1234567D": "[ID]",
    "マイナンバー 1234 5678 9018": "マイナンバー [ID]",
}
NOT_FOUND = [
    "Use C4 or S3, not EC2; the A320 and the B-52 are aircraft.",
    "Version 10.15.7 of 2027-01-31, build 20270131.1 at 12:34:56.789",
    "id 550e8400-e29b-41d4-a716-446655440000",
    "Order 4711081500012345, invoice 2027-000123456, ticket #123456789",
    "In 1999 there were 12,345,678 people; 3.14159265358979 is pi.",
    "timestamp 1735689600 or 1735689600123, offset +0200",
    "10 000 000 dollars, 1 234 567 euros, 192.168.10.24",
    "isbn 978-3-16-148410-0, doi 10.1000/182",
    "@property and user@host, git@github.com:org/repo.git, icon@2x.png, @types/node",
    "sha 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "1234567890 123456789 12345678901 are only numbers",
    "4111 1111 1111 1112 has a wrong check digit",
    "DE00 3704 0044 0532 0130 00 is no account",
    "scores: 10-20-30-40, 1-2-3, 2001-02-03-04",
    "from +5 to +12 degrees, C++ 11, room 0123",
    "| 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 |",
]

CASE = guard_case(Pii)


@pytest.mark.parametrize("text", FOUND)
def test_an_identifier_is_redacted(text):
    assert FOUND[text] == CASE.again().prompt(text).text


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_only_looks_like_an_identifier_is_left_alone(text):
    result = CASE.again().prompt(text)
    assert (Action.ALLOW, text) == (result.action, result.text)


def test_bare_digits_need_a_word_that_announces_them():
    case = CASE.again()
    assert "BSN: [ID]" == case.prompt("BSN: 111222333").text
    assert "item 111222333" == case.prompt("item 111222333").text


def test_ip_addresses_are_an_option():
    text = "from 203.0.113.7 and 2001:db8::7 at 12:30:45 with v1.2.3.4"
    assert text == CASE.again().prompt(text).text
    redacted = guard_case(Pii, {"entities": ["ip_address"]}).prompt(text).text
    assert "from [IP] and [IP] at 12:30:45 with v1.2.3.4" == redacted


def test_placeholders_hide_from_the_provider_and_come_back():
    case = guard_case(Pii, {"mode": "placeholder"})
    assert (
        "mail <EMAIL_1>, then <EMAIL_2>, <EMAIL_1>" == case.prompt("mail a@x.com, then b@x.com, a@x.com").text
    )
    assert "I wrote to a@x.com." == case.reply("I wrote to <EMAIL_1>.").text


def test_a_placeholder_that_the_prompt_already_has_is_not_given_out():
    case = guard_case(Pii, {"mode": "placeholder"})
    assert "<EMAIL_1> is <EMAIL_2>" == case.prompt("<EMAIL_1> is a@x.com").text


def test_in_placeholder_mode_what_the_model_writes_itself_is_flagged():
    result = guard_case(Pii, {"mode": "placeholder"}).reply("ask c@x.com")
    assert (Action.FLAG, "ask c@x.com") == (result.action, result.text)


def test_block_names_no_content():
    result = guard_case(Pii, {"mode": "block"}).prompt("mail a@x.com")
    assert (Action.BLOCK, "personal_data_found") == (result.action, result.code)
    assert "a@x.com" not in result.message


def test_findings_say_what_and_where():
    (finding,) = guard_case(Pii, {"mode": "flag"}).prompt("SSN 536-90-4399").findings
    assert ("us_ssn", 4, 15) == (finding.category, finding.start, finding.end)


def test_regions_decide_about_national_telephone_numbers():
    text = "Tel. 030 901820"
    assert "Tel. [PHONE]" == guard_case(Pii, {"regions": ["DE"]}).prompt(text).text
    assert text == guard_case(Pii, {"regions": ["US"]}).prompt(text).text


def test_countries_decide_about_national_numbers():
    text = "131052-308T and 85.07.30-033.28"
    assert "[ID] and 85.07.30-033.28" == guard_case(Pii, {"countries": ["FI"]}).prompt(text).text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"entities": ["emails"]}, "unknown entity 'emails'"),
        ({"regions": ["XX"]}, "unknown telephone region 'XX'"),
        ({"countries": ["XX"]}, "unknown country of national numbers 'XX'"),
        ({"entities": []}, "no entity is left"),
    ],
)
def test_a_wrong_option_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        guard_case(Pii, options)


def test_a_stream_is_redacted_however_it_is_cut():
    text = "Mail a.b@x.com or call +49 30 901820; NHS number 943 476 5870, card 4111 1111 1111 1111."
    assert_cut_invariant(CASE.guard, text)


def test_a_context_word_counts_when_it_was_released_already():
    text = "The burgerservicenummer that you gave to us is as follows: 111222333."
    assert text.replace("111222333", "[ID]") == CASE.again().stream(text, range(len(text))).text


def test_prose_is_held_for_a_word_at_most():
    text = "Ordinary prose about gardens, weather and the price of bread, told to nobody in particular."
    pieces = CASE.again().stream(text, range(len(text))).pieces
    lag = [size - len("".join(pieces[: size + 1])) for size in range(len(text))]
    assert max(lag) <= len("particular")


def test_tool_arguments_are_redacted():
    assert "[EMAIL]" in CASE.again().tool_call("send", {"to": ["a@x.com"]}).texts


def test_at_least_thirty_countries_are_known():
    assert 30 <= len(COUNTRIES)


def test_the_guard_keeps_the_contract():
    assert_conforms(Pii, {"mode": "placeholder"}, ["SSN 536-90-4399"])
