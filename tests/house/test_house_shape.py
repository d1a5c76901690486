"""The shape of the code: small files with a stated law, small functions."""

from __future__ import annotations

import ast

from test_house_imports import modules

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def test_no_file_is_longer_than_a_person_reads_in_one_go() -> None:
    assert [] == [m for m, p in modules() if len(p.read_text().splitlines()) > FILE_LINES_MAX]


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{module}.{node.name}"
        for module, path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert [] == long


def test_every_module_says_what_it_is() -> None:
    assert [] == [m for m, p in modules() if not ast.get_docstring(ast.parse(p.read_text()))]


def test_no_task_is_created_that_nobody_owns() -> None:
    """A bare `create_task(...)` statement may be collected while it runs, and its exception is lost."""
    bare = [
        f"{module}:{node.lineno}"
        for module, path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _is_spawn(node.value.func)
    ]
    assert [] == bare


def _is_spawn(func: ast.expr) -> bool:
    return isinstance(func, ast.Attribute) and func.attr in {"create_task", "ensure_future"}
