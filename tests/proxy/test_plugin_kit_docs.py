"""The page for plugin authors: every hook with its exact signature, and examples that run."""

import inspect
import re
from pathlib import Path

import pytest

from bylaw.spec import ColdHooks, HotHooks, impl
from bylaw.spec.hooks import COLD, HOT

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def documented(hooks, name):
    """The signature as source has it; cold hooks are functions, so without `self`."""
    signature = inspect.signature(getattr(hooks, name))
    parameters = [str(p) for p in signature.parameters.values() if hooks is HotHooks or p.name != "self"]
    returns = signature.return_annotation
    return f"{name}({', '.join(parameters)}) -> {returns}".replace("'", "").replace("|", r"\|")


@pytest.mark.parametrize(("hooks", "name"), [(HotHooks, n) for n in HOT] + [(ColdHooks, n) for n in COLD])
def test_a_hook_is_documented_with_its_exact_signature(hooks, name):
    assert f"`{documented(hooks, name)}`" in PAGE


def test_the_examples_run_one_after_another():
    scope = {}
    for example in EXAMPLES:
        exec(compile(example, "docs/plugins.md", "exec"), scope)
    assert hasattr(scope["register_guards"], "bylaw_impl") and impl is not None
    case = scope["guard_case"](scope["Badges"])
    assert "badge [BADGE]" == case.prompt("badge B-1234").text
