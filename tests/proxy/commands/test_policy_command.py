"""`bylaw policy`: list, show, explain."""

import argparse
from pathlib import Path

import orjson
import pytest

from bylaw.commands.policy import add_arguments


@pytest.fixture
def bylaw(capsys):
    """Run `bylaw policy ...`; gives exit status, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser(prog="bylaw policy")
        add_arguments(parser)
        try:
            parsed = parser.parse_args(arguments)
            status = parsed.func(parsed)
        except SystemExit as left:
            status = int(left.code or 0)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_list_says_of_every_row_whether_it_binds_on_a_date(bylaw):
    status, out, _ = bylaw("list", "--at", "2026-11-24")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert (0, 77) == (status, len(rows))
    assert ["eu", "in_force", "binds", "verified", "enforced"] == rows["EU-50-1-INTERACT"]
    assert ["eu", "adopted_future", "no", "verified", "evidenced"] == rows["EU-12-LOG"]


def test_list_on_a_later_date_has_the_law_of_that_date(bylaw):
    _, out, _ = bylaw("list", "--at", "2027-12-02", "--json")
    assert {"EU-12-LOG": True} == {
        row["id"]: row["in_force"] for row in orjson.loads(out) if row["id"] == "EU-12-LOG"
    }


def test_show_prints_the_row_its_certainty_and_its_sources(bylaw):
    status, out, _ = bylaw("show", "EU-50-1-INTERACT", "--at", "2026-11-24")
    assert 0 == status
    for words in (
        "AI Act, Art. 50(1), (5)",
        "verified in S01 (text)",
        "Regulation (EU) 2024/1689",
        "not legal advice",
        "Sie kommunizieren mit einem KI-System",
    ):
        assert words in out


def test_show_as_json_has_the_whole_row(bylaw):
    _, out, _ = bylaw("show", "CN-GENAI-PRIVACY", "--json")
    row = orjson.loads(out)
    assert ("cn", "2023-08-15", "privacy", "placeholder") == (
        row["pack"],
        row["effective_from"],
        row["control"],
        row["parameters"]["mode"],
    )


def test_an_unknown_row_is_the_operators_mistake_and_the_nearest_is_named(bylaw):
    status, out, err = bylaw("show", "eu-50-1-interac")
    assert (2, "") == (status, out)
    assert "did you mean `EU-50-1-INTERACT`?" in err


def test_explain_says_steps_people_reasons_and_that_it_is_no_claim(bylaw):
    facts = ("--fact", "purpose=general_assistant")
    status, out, _ = bylaw("explain", "--jurisdiction", "eu,CN", *facts, "--at", "2026-11-24")
    assert 0 == status
    for words in (
        "plan for       CN, EU on 2026-11-24",
        "2  pack.disclosure: guard disclosure on prompt and reply",
        "notices.cn-explicit-label.cadence = every_reply",
        "Apply, but only people can do them",
        "Nothing here: the fact filed_models is not given.",
        "purpose is general_assistant; the row is for companion",
        "no metadata is written into files",
    ):
        assert words in out
    assert out.endswith("It is no legal advice and no\nstatement that anybody complies with any law.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("show", "CA-489-LICENCE"),
        ("explain", "--jurisdiction", "EU,CN,US-CA,UK", "--profile", "strict"),
    ],
)
def test_what_is_printed_fits_into_100_columns(bylaw, arguments):
    _, out, _ = bylaw(*arguments)
    assert [] == [line for line in out.splitlines() if len(line) > 100]


def test_explain_as_json_names_the_profile(bylaw):
    _, out, _ = bylaw("explain", "--jurisdiction", "EU", "--profile", "observe-only", "--json")
    data = orjson.loads(out)
    assert ("observe-only", {False}) == (data["policy"]["name"], {step["enforce"] for step in data["steps"]})


CONFIG = """\
upstreams: {up: {url: "http://127.0.0.1:1"}}
routes: [{match: /v1/, upstream: up, dialect: openai}]
jurisdictions: {default: [CN]}
deployment: {purpose: [companion], filed_models: [m-1]}
policies: {profile: strict, directories: [./mine]}
"""


def test_explain_takes_jurisdictions_facts_and_policies_from_the_configuration(bylaw, tmp_path: Path):
    (tmp_path / "bylaw.yaml").write_text(CONFIG)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.yaml").write_text("policy: mine\nsteps: [{guard: audit}]\n")
    _, out, _ = bylaw(
        "explain", "--config", str(tmp_path / "bylaw.yaml"), "--fact", "purpose=coding", "--json"
    )
    data = orjson.loads(out)
    assert (["CN"], {"purpose": ["coding"], "filed_models": ["m-1"]}) == (
        data["jurisdictions"],
        data["facts"],
    )
    steps = ["secrets", "pii", "audit", "pack.disclosure", "pack.privacy", "pack.limits"]
    assert (steps, "strict+mine") == ([step["id"] for step in data["steps"]], data["policy"]["name"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--jurisdiction EU,CN"),
        (("--jurisdiction", "EU", "--fact", "purpose"), "NAME=VALUE"),
        (("--jurisdiction", "EU", "--fact", "purpose=companio"), "companion"),
        (("--jurisdiction", "EU", "--profile", "stict"), "strict"),
        (("--jurisdiction", "EU", "--profile", "absent.yaml"), "absent.yaml: cannot be read"),
        (("--jurisdiction", "europe"), "not a jurisdiction"),
        (("--jurisdiction", "EU", "--at", "tomorrow"), "YYYY-MM-DD"),
        (("--config", "absent.yaml"), "absent.yaml: cannot be read"),
    ],
)
def test_an_operators_mistake_is_one_line_and_exit_status_2(bylaw, arguments, words):
    status, out, err = bylaw("explain", *arguments)
    assert (2, "") == (status, out)
    assert words in err


def test_a_mistake_in_the_configuration_is_named_with_its_line(bylaw, tmp_path: Path):
    (tmp_path / "bylaw.yaml").write_text("listen: 127.0.0.1:1\ndeployment: {role: deployr}\n")
    status, _, err = bylaw("list", "--config", str(tmp_path / "bylaw.yaml"))
    assert (2, True, True) == (status, "bylaw.yaml:2" in err, "deployer" in err)


@pytest.mark.parametrize("command", ["list", "show", "explain"])
def test_every_command_has_help_with_an_example(bylaw, command):
    status, out, _ = bylaw(command, "--help")
    assert (0, True) == (status, f"example: bylaw policy {command}" in out)
