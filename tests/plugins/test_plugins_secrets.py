"""The guard `secrets`: credentials are found by their form, lookalikes are left alone."""

import base64
import json

import pytest

from bylaw.errors import ConfigError
from bylaw.testing import assert_conforms, assert_cut_invariant, guard_case
from bylaw.verdict import Action
from bylaw_plugins.secrets import Secrets
from bylaw_plugins.secrets.rules import RULES

A36 = "abcdefghijklmnopqrstuvwxyz0123456789"
HEX32 = "0123456789abcdef" * 2
PEM_BODY = "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"] * 25)
PEM = f"-----BEGIN PRIVATE KEY-----\n{PEM_BODY}\n-----END PRIVATE KEY-----"
JWT = ".".join(
    base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
    for part in ({"alg": "HS256", "typ": "JWT"}, {"sub": "1234567890"}, {"x": "signature-bytes"})
)
REAL = {
    "aws_access_key": "AKIAIOSFODNN7EXAMPLE",
    "gcp_api_key": "AIza" + A36[:35],
    "gcp_oauth_token": "ya29." + A36,
    "github_token": "ghp_" + A36,
    "gitlab_token": "glpat-" + A36[:20],
    "slack_token": "xoxb-123456789012-" + A36[:24],
    "slack_webhook": "hooks.slack.com/services/T00000000/B00000000/" + A36[:24],
    "stripe_key": "sk_live_" + A36[:24],
    "openai_key": "sk-proj-" + A36 + A36,
    "anthropic_key": "sk-ant-api03-" + A36,
    "huggingface_token": "hf_" + A36[:34],
    "npm_token": "npm_" + A36,
    "pypi_token": "pypi-AgEIcHlwaS5vcmc" + A36 + A36,
    "sendgrid_key": "SG." + A36[:22] + "." + A36 + A36[:7],
    "twilio_key": "SK" + HEX32,
    "digitalocean_token": "dop_v1_" + HEX32 * 2,
    "databricks_token": "dapi" + HEX32,
    "jwt": JWT,
    "private_key": PEM,
}

CASE = guard_case(Secrets)


@pytest.mark.parametrize("kind", REAL)
def test_a_credential_is_redacted_by_its_form(kind):
    assert f"use [REDACTED:{kind}], please" == CASE.again().prompt(f"use {REAL[kind]}, please").text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("password: Tr0ub4dor&3", "password: [REDACTED:password]"),
        ('{"db_password": "hunter2hunter2"}', '{"db_password": "[REDACTED:password]"}'),
        ("api_key=9f8a7b6c5d4e3f2a1b0c", "api_key=[REDACTED:secret]"),
        ("postgres://app:s3cr3t-pw@db.internal/x", "postgres://app:[REDACTED:url_password]@db.internal/x"),
        ("Authorization: Bearer 7Fh2kQ9xLp3vTn8w", "Authorization: Bearer [REDACTED:authorization]"),
        (
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "aws_secret_access_key = [REDACTED:aws_secret_key]",
        ),
        ("AKIAIOSFODNN7EXAMPLE,wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "[REDACTED:aws_key_pair]"),
        ("AccountKey=" + "A1b2" * 21 + "Zz==;Endpoint", "AccountKey=[REDACTED:azure_storage_key];Endpoint"),
        (
            '{"private_key_id": "' + "0123456789" * 4 + '"}',
            '{"private_key_id": "[REDACTED:gcp_private_key_id]"}',
        ),
    ],
)
def test_only_the_secret_part_of_an_assignment_is_replaced(text, redacted):
    assert redacted == CASE.again().prompt(text).text


@pytest.mark.parametrize(
    "text",
    [
        "The password: field is required, at least eight characters.",
        "password=os.environ['DB_PASSWORD'] and api_key=${API_KEY_FROM_VAULT_1}",
        "Set api_key: your_api_key_goes_here_1 in the file.",
        "Hold a token: it stands for a turn. The secret: practice.",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 and image sha256:" + HEX32 * 2,
        "id 550e8400-e29b-41d4-a716-446655440000 at 2027-01-31T10:20:30Z, version 1.24.3",
        "See https://example.com:8080/a@b and mail jane@example.com about risk-free sk-learn tasks.",
        "The file begins with -----BEGIN PRIVATE KEY----- and ends with its twin.",
        "eyJub3QiOiJhIGp3dCJ9.eyJzdWIiOiIxIn0.abcdefgh",
        "postgres://user:password@localhost/db",
        "AKIA is the prefix of access keys; ghp_ that of tokens.",
    ],
)
def test_ordinary_text_is_left_alone(text):
    result = CASE.again().prompt(text)
    assert (Action.ALLOW, text) == (result.action, result.text)


def test_a_truncated_private_key_is_redacted():
    assert "[REDACTED:private_key]" == CASE.again().prompt(PEM[:700]).text


def test_a_private_key_inside_escaped_json_is_redacted():
    text = json.dumps({"private_key": PEM + "\n"})
    assert '{"private_key": "[REDACTED:private_key]\\n"}' == CASE.again().prompt(text).text


def test_a_private_key_of_sixteen_thousand_bits_is_redacted_whole():
    key = PEM.replace(PEM_BODY, "\n".join([PEM_BODY] * 7))
    assert "[REDACTED:private_key]" == CASE.again().stream(key, range(0, len(key), 97)).text


@pytest.mark.parametrize("kind", REAL)
def test_a_stream_is_redacted_however_it_is_cut(kind):
    text = f"The value is {REAL[kind][:120]} as you asked."
    assert_cut_invariant(CASE.guard, text, examples=1)


def test_nothing_of_a_secret_leaves_before_it_is_whole():
    pieces = CASE.again().stream("key AKIAIOSFODNN7EXAMPLE ok", range(28)).pieces
    assert "key [REDACTED:aws_access_key] ok" == "".join(pieces)
    assert 1 == sum("REDACTED" in piece for piece in pieces)


def test_prose_is_held_for_a_word_beginning_at_most():
    text = "Ordinary prose about gardens, weather and the price of bread, told to nobody in particular."
    pieces = CASE.again().stream(text, range(len(text))).pieces
    lag = [size - len("".join(pieces[: size + 1])) for size in range(len(text))]
    assert max(lag) <= 4


def test_tool_arguments_are_redacted():
    result = CASE.again().tool_call("run", {"env": {"TOKEN": REAL["github_token"]}})
    assert "[REDACTED:github_token]" in result.texts


def test_block_names_no_content():
    result = guard_case(Secrets, {"action": "block"}).prompt(f"use {REAL['npm_token']}")
    assert (Action.BLOCK, "secret_found", ()) == (result.action, result.code, result.texts)
    assert "npm_" not in result.message


def test_flag_changes_nothing():
    text = f"use {REAL['npm_token']}"
    result = guard_case(Secrets, {"action": "flag"}).reply(text)
    assert (Action.FLAG, text) == (result.action, result.text)


def test_kinds_can_be_chosen():
    text = f"{REAL['npm_token']} {REAL['aws_access_key']}"
    only = guard_case(Secrets, {"kinds": ["npm_token"]}).prompt(text).text
    without = guard_case(Secrets, {"ignore": ["npm_token"]}).prompt(text).text
    assert f"[REDACTED:npm_token] {REAL['aws_access_key']}" == only
    assert f"{REAL['npm_token']} [REDACTED:aws_access_key]" == without


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="unknown kind of secret 'npm'"):
        guard_case(Secrets, {"kinds": ["npm"]})


def test_an_unknown_action_is_refused():
    with pytest.raises(ConfigError, match="action"):
        guard_case(Secrets, {"action": "delete"})


def test_every_kind_has_one_rule_and_needs_more_than_plain_words():
    names = [rule.name for rule in RULES]
    assert sorted(set(names)) == sorted(names)


def test_the_guard_keeps_the_contract():
    assert_conforms(Secrets, texts=[REAL["github_token"], JWT])
