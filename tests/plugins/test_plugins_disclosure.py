"""The guard `disclosure`: notices in prose, once, in the reader's language; a header everywhere."""

import pytest

from bylaw.testing import assert_conforms, guard_case, make_reply
from bylaw_plugins.disclosure import Disclosure
from bylaw_plugins.disclosure.language import choose

TEXTS = {"en": "You are talking to an AI.", "de": "Sie sprechen mit einer KI."}
START = {"id": "interact", "text": TEXTS}
END = {"id": "made", "text": {"en": "Made by AI."}, "cadence": "every_reply", "position": "end"}


def case(*notices, header=True, **facts):
    return guard_case(Disclosure, {"notices": list(notices), "header": header}, **facts)


def test_the_header_says_that_a_machine_answers():
    assert {"AI-Disclosure": "mode=ai-originated"} == case().prompt("hi").headers


def test_the_header_can_be_switched_off():
    assert {} == case(START, header=False).prompt("hi").headers


def test_the_first_reply_begins_with_the_notice():
    one = case(START)
    assert {"notice.interact": "first_reply"} == one.prompt("hi").notes
    assert f"{TEXTS['en']}\n\nHello." == one.reply("Hello.").text


def test_a_later_reply_does_not_repeat_it():
    one = case(START, END)
    history = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": f"{TEXTS['de']}\n\nHallo."},
        {"role": "user", "content": "und?"},
    ]
    assert {"notice.made": "every_reply"} == one.prompt(messages=history).notes
    assert "Gut.\n\nMade by AI." == one.reply("Gut.").text


def test_a_user_who_quotes_the_notice_does_not_switch_it_off():
    assert {"notice.interact": "first_reply"} == case(START).prompt(TEXTS["en"]).notes


def test_the_language_is_the_readers():
    one = case(START, headers={"accept-language": "de-AT, en;q=0.5"})
    one.prompt("hallo")
    assert f"{TEXTS['de']}\n\nHallo." == one.reply("Hallo.").text


def test_start_and_end_go_to_the_first_and_the_last_text():
    one = case(START, END)
    one.prompt("hi")
    assert (f"{TEXTS['en']}\n\nA", "B\n\nMade by AI.") == one.reply(texts=["A", "B"]).texts


@pytest.mark.parametrize("cuts", [(), range(7), (0, 0, 3)])
def test_a_stream_gets_the_same(cuts):
    one = case(START, END)
    one.prompt("hi")
    assert f"{TEXTS['en']}\n\nHello.\n\nMade by AI." == one.stream("Hello.", cuts).text


def test_the_notice_leaves_with_the_first_text_and_holds_nothing():
    one = case(START)
    one.prompt("hi")
    assert (f"{TEXTS['en']}\n\nHe", "llo", "") == one.stream("Hello", [2, 5]).pieces


def test_only_the_first_text_channel_of_a_stream_gets_it():
    one = case(START)
    one.prompt("hi")
    assert "thinking" == one.stream("thinking", channel="reasoning").text
    assert "" == one.stream("").text
    assert f"{TEXTS['en']}\n\nA" == one.stream("A").text


def test_nothing_is_put_into_a_machine_readable_reply():
    one = case(START)
    assert {"header_only": True} == one.prompt("hi", json_reply=True).notes
    assert '{"a": 1}' == one.reply('{"a": 1}').text


def test_nothing_is_put_into_a_reply_of_tool_calls_alone():
    one = case(START)
    one.prompt("hi")
    result = one.reply(make_reply(""))
    assert ({"header_only": True}, "") == (result.notes, result.text)


def test_nothing_is_put_into_an_error():
    one = case(START)
    one.prompt("hi")
    assert "no such model" == one.reply("no such model", status=404).text


@pytest.mark.parametrize(
    ("notices", "message"),
    [
        ([START, START], "two notices have the same id"),
        ([{"id": "x", "text": {}}], "notice x: the text is empty"),
        ([{"id": "x", "text": {"en": " "}}], "notice x: the text is empty"),
    ],
)
def test_a_notice_without_words_or_name_is_refused(notices, message):
    with pytest.raises(ValueError, match=message):
        case(*notices)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("fr, de;q=0.8, en;q=0.9", "en"),
        ("de-CH-1996;q=1.0", "de"),
        ("zh-hans-cn", "zh-Hans"),
        ("de;q=0, en;q=0.1", "en"),
        ("de;q=abc, *", "en"),
        (";;;,,,q=", "en"),
    ],
)
def test_the_language_that_is_wanted_most_is_chosen(header, language):
    assert language == choose(header, ("en", "de", "zh-Hans"))


def test_the_guard_keeps_the_contract():
    assert_conforms(Disclosure, {"notices": [START, END]})
