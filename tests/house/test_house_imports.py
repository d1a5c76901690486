"""The import law: who may import what. The arrows run one way, from the socket inwards."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = {
    "bylaw": "proxy",
    "bylaw_plugins": "plugins",
    "bylaw_policies": "policies",
    "bylaw_models": "models",
    "bylaw_loadtest": "loadtest",
}
STDLIB = frozenset(sys.stdlib_module_names)
PURE = frozenset(
    {"bylaw.verdict", "bylaw.errors", "bylaw.limits", "bylaw.clock", "bylaw.exchange", "bylaw.content"}
)
LOOP_AND_IO = frozenset(
    {"asyncio", "time", "os", "socket", "selectors", "threading", "subprocess", "pathlib"}
)

# Who puts the rooms together; nobody below may know of them.
COMPOSITION = frozenset(
    {"bylaw.main", "bylaw.cli", "bylaw.commands", "bylaw.worker", "bylaw.compose", "bylaw.journal"}
)
BASE = PURE | {"bylaw.wire", "bylaw.spec"}
NONE: frozenset[str] = frozenset()

# room -> (what of Bylaw it may import, which third parties, which standard modules are forbidden)
LAWS: dict[str, tuple[frozenset[str], frozenset[str], frozenset[str]]] = {
    "bylaw.wire": (PURE | {"bylaw.wire"}, frozenset({"brotli", "zstandard"}), LOOP_AND_IO),
    "bylaw.spec": (PURE | {"bylaw.spec"}, frozenset({"pluggy", "re2"}), LOOP_AND_IO),
    "bylaw.plan": (
        BASE | {"bylaw.plan"},
        frozenset({"orjson", "ruamel", "maxminddb", "pluggy"}),
        frozenset({"socket"}),
    ),
    "bylaw.ledger": (BASE | {"bylaw.ledger"}, frozenset({"orjson"}), NONE),
    "bylaw.stages": (BASE | {"bylaw.stages", "bylaw.plan"}, NONE, LOOP_AND_IO - {"asyncio"}),
    "bylaw.serve": (
        BASE | {"bylaw.stages", "bylaw.plan"},
        frozenset({"structlog"}),
        LOOP_AND_IO - {"asyncio"},
    ),
    "bylaw.edge": (
        PURE | {"bylaw.edge", "bylaw.serve", "bylaw.stages", "bylaw.log", "bylaw.__version__"},
        frozenset({"aiohttp", "orjson"}),
        NONE,
    ),
    "bylaw.upstream": (
        PURE | {"bylaw.upstream", "bylaw.stages.ports"},
        frozenset({"aiohttp", "httptools", "uvloop"}),
        NONE,
    ),
    "bylaw.supervise": (
        PURE | {"bylaw.supervise", "bylaw.log", "bylaw.metrics", "bylaw.tasks", "bylaw.__version__"},
        frozenset({"orjson", "prometheus_client"}),
        NONE,
    ),
    "bylaw.testing": (BASE | {"bylaw.testing", "bylaw.plan"}, NONE, frozenset({"socket", "subprocess"})),
    "bylaw.log": (PURE, frozenset({"orjson", "structlog"}), NONE),
    "bylaw.tasks": (PURE | {"bylaw.log"}, NONE, NONE),
    "bylaw.metrics": (PURE, frozenset({"prometheus_client"}), NONE),
    "bylaw_plugins": (
        frozenset({"bylaw.spec", "bylaw.verdict", "bylaw_plugins"}),
        frozenset({"stdnum", "phonenumbers", "re2"}),
        NONE,
    ),
    "bylaw_policies": (frozenset({"bylaw_policies"}), NONE, NONE),
    "bylaw_models": (frozenset({"bylaw_models"}), frozenset({"onnxruntime", "tokenizers", "numpy"}), NONE),
    "bylaw_loadtest": (
        frozenset({"bylaw_loadtest"}),
        frozenset({"aiohttp", "httptools", "uvloop", "brotli", "zstandard", "multidict", "orjson", "yarl"}),
        NONE,
    ),
}


def modules() -> list[tuple[str, Path]]:
    """Every module of the five source roots with its import name."""
    found = []
    for package, root in ROOTS.items():
        for path in sorted((ROOT / root / package).rglob("*.py")):
            parts = path.relative_to(ROOT / root).with_suffix("").parts
            found.append((".".join(p for p in parts if p != "__init__"), path))
    return found


def imports(path: Path) -> list[str]:
    """Absolute names of everything that a file imports, inside functions too; type-checking imports excepted."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for guard in ast.walk(tree)
        if isinstance(guard, ast.If) and "TYPE_CHECKING" in ast.dump(guard.test)
        for node in ast.walk(guard)
    }
    names: list[str] = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names += [
                node.module if node.module not in ROOTS else f"{node.module}.{a.name}" for a in node.names
            ]
    return names


def within(name: str, allowed: frozenset[str]) -> bool:
    return any(name == a or name.startswith(a + ".") for a in allowed)


def breaches(room: str) -> list[str]:
    own, third, forbidden = LAWS[room]
    found = []
    for module, path in modules():
        if not within(module, frozenset({room})):
            continue
        for name in imports(path):
            top = name.split(".")[0]
            if top in STDLIB:
                if within(name, forbidden):
                    found.append(f"{module} imports {name}")
            elif not within(name, own) and top not in third:
                found.append(f"{module} imports {name}")
    return found


@pytest.mark.parametrize("room", sorted(LAWS))
def test_a_room_imports_only_what_its_law_allows(room: str) -> None:
    assert [] == breaches(room)


def test_the_pure_value_types_import_the_standard_library_alone() -> None:
    files = [(m, p) for m, p in modules() if m in PURE]
    assert len(PURE) == len(files)
    stray = [
        (m, n) for m, p in files for n in imports(p) if n.split(".")[0] not in STDLIB and not within(n, PURE)
    ]
    assert [] == stray


def test_pluggy_is_imported_by_the_registry_and_the_hook_page_alone() -> None:
    users = {
        m
        for m, p in modules()
        if m.startswith("bylaw.") and "pluggy" in {n.split(".")[0] for n in imports(p)}
    }
    assert {"bylaw.plan.registry", "bylaw.spec.hooks"} == users


def test_no_built_in_plugin_imports_another() -> None:
    stray = []
    for module, path in modules():
        if not module.startswith("bylaw_plugins.") or module == "bylaw_plugins.builtin":
            continue
        own = module.split(".")[1]
        stray += [
            f"{module} imports {name}"
            for name in imports(path)
            if name.startswith("bylaw_plugins.") and name.split(".")[1] != own
        ]
    assert [] == stray


def test_the_composition_root_is_imported_by_nobody_below() -> None:
    users = [
        f"{module} imports {name}"
        for module, path in modules()
        for name in imports(path)
        if within(name, COMPOSITION) and not within(module, COMPOSITION)
    ]
    assert [] == users


def test_entry_points_are_imported_by_nobody_at_all() -> None:
    entries = frozenset({"bylaw.main", "bylaw.cli"})
    assert [] == [(m, n) for m, p in modules() for n in imports(p) if within(n, entries)]


def test_every_module_lives_in_a_room_that_has_a_law() -> None:
    ruled = frozenset(LAWS) | PURE | COMPOSITION
    assert ["bylaw"] == [module for module, _ in modules() if not within(module, ruled)]


def test_imports_are_absolute_so_that_the_law_can_be_read() -> None:
    relative = [
        f"{module}:{node.lineno}"
        for module, path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert [] == relative


def test_there_is_no_package_marker_directly_in_a_source_root() -> None:
    assert [] == [root for root in ROOTS.values() if (ROOT / root / "__init__.py").exists()]


def test_no_module_is_called_by_a_word_that_means_nothing() -> None:
    empty_words = {"utils", "helpers", "common", "manager", "misc", "util", "helper"}
    assert [] == [module for module, _ in modules() if empty_words & set(module.split("."))]
