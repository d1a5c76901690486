"""`docs/configuration.md` says what the code does: the table is made from it, the examples are loaded."""

from __future__ import annotations

import dataclasses
import re

import pytest
from config_reference import PAGE, arguments, page_with, render

from bylaw.plan import sections
from bylaw.plan.config import load_config
from bylaw.plan.snapshot import Snapshot
from bylaw.plan.typed import keys

EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
VARIABLES = re.findall(r"^\| `(BYLAW__\w+)=(.*?)` \|", PAGE.read_text(), re.MULTILINE)
SECTIONS = [
    cls
    for cls in vars(sections).values()
    if isinstance(cls, type)
    and dataclasses.is_dataclass(cls)
    and cls.__name__ not in {"Facts", "Node", "Place"}
    and not hasattr(cls, "from_text")
    and not hasattr(cls, "from_node")
]


def test_the_table_of_keys_is_the_one_of_the_code():
    assert page_with(render()) == PAGE.read_text()


@pytest.mark.parametrize("cls", SECTIONS, ids=lambda cls: cls.__name__)
def test_every_key_has_a_meaning(cls):
    assert [] == [name for field in keys(cls).values() if not arguments(cls).get(name := field.name)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_valid(example):
    assert load_config(Snapshot("docs", {"docs": example})).routes


@pytest.mark.parametrize(("name", "value"), VARIABLES)
def test_every_variable_of_the_page_is_read(name, value):
    snapshot = Snapshot("docs", {"docs": EXAMPLES[0]})
    assert load_config(snapshot) != load_config(snapshot, {name: value})


def test_the_page_has_examples_and_variables():
    assert (4, 5, 12) == (len(EXAMPLES), len(VARIABLES), len(SECTIONS))
