"""Which guards, resolvers and commands are installed.

Law of this module: pluggy finds and checks plugins at start and reload, and is forgotten afterwards; what
comes out is plain classes and functions. Whatever pluggy would let through silently is refused here, with
file, line and the fix. A source tree on the path has no entry points; the built-in plugin is there even so.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import pluggy

from bylaw.errors import ConfigError, Place
from bylaw.plan.guardcheck import check_guard, place_of
from bylaw.spec.guard import Guard
from bylaw.spec.hooks import COLD, ENTRY_POINT_GROUP, PROJECT, ColdHooks, Resolver

BUILTIN = "bylaw-builtin"
_BUILTIN_MODULE = "bylaw_plugins.builtin"


@dataclass(frozen=True, slots=True)
class GuardInfo:
    """An installed guard.

    Args:
        cls: its class.
        plugin: name of the entry point.
        distribution: name of the distribution that it came with.
        version: version of that distribution; the guard's own is `cls.version`.
        hooks: the hot hooks that it has.
    """

    cls: type[Guard]
    plugin: str
    distribution: str
    version: str
    hooks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Registry:
    """What all plugins together offer; the callables take the arguments of `ColdHooks` by position."""

    guards: Mapping[str, GuardInfo]
    resolvers: Mapping[str, Resolver]
    commands: Mapping[str, Callable[..., None]]
    on_start: tuple[Callable[..., Any], ...] = ()
    on_stop: tuple[Callable[..., Any], ...] = ()
    on_record: tuple[Callable[..., Any], ...] = ()


@dataclass(frozen=True, slots=True)
class _Plugin:
    name: str
    module: Any
    distribution: str
    version: str


def load_registry(disabled: Collection[str] = ()) -> Registry:
    """Import every installed plugin, except those named in `disabled`, and check what it offers.

    Raises:
        ConfigError: a plugin cannot be imported, breaks the contract, or takes a name that is taken.
    """
    return build_registry([plugin for plugin in _installed(disabled) if plugin.name not in disabled])


def registry_of(modules: Mapping[str, Any]) -> Registry:
    """A registry of these plugins (name -> module or object) alone, for tests and kits."""
    return build_registry([_Plugin(name, module, name, "0") for name, module in modules.items()])


def build_registry(plugins: list[_Plugin]) -> Registry:
    """Check plugins that are imported already."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(ColdHooks)
    for plugin in plugins:
        _register(manager, plugin)
    by_name = {plugin.name: plugin for plugin in plugins}
    guards: dict[str, GuardInfo] = {}
    for name, offered in _offers(manager, "register_guards"):
        for cls in offered or ():
            _add_guard(guards, by_name[name], cls)
    return Registry(
        guards,
        _named(manager, "register_resolvers"),
        _named(manager, "register_commands"),
        *(_callables(manager, hook) for hook in ("on_start", "on_stop", "on_record")),
    )


def _installed(disabled: Collection[str]) -> Iterator[_Plugin]:
    seen: dict[str, tuple[str, str]] = {}
    for entry in metadata.entry_points(group=ENTRY_POINT_GROUP):
        distribution, version = _distribution(entry)
        origin = (entry.value, distribution)
        if seen.setdefault(entry.name, origin) != origin:
            both = f"{seen[entry.name][1]} and {distribution}"
            raise ConfigError(
                f"two plugins are named {entry.name!r} (of {both}); uninstall one, or rename it"
            )
        if seen[entry.name] is origin and entry.name not in disabled:
            yield _Plugin(entry.name, _load(entry.name, distribution, entry.load), distribution, version)
    if BUILTIN not in seen and BUILTIN not in disabled:
        module = _load(BUILTIN, "bylaw", lambda: importlib.import_module(_BUILTIN_MODULE))
        yield _Plugin(BUILTIN, module, "bylaw", "source")


def _distribution(entry: metadata.EntryPoint) -> tuple[str, str]:
    return (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "0")


def _load(name: str, distribution: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        fix = f"repair or uninstall {distribution}, or name {name} under `plugins.disabled`"
        raise ConfigError(
            f"plugin {name} of distribution {distribution} cannot be imported: {reason}; {fix}"
        ) from error


def _register(manager: pluggy.PluginManager, plugin: _Plugin) -> None:
    for hook in COLD:
        function = getattr(plugin.module, hook, None)
        if callable(function) and not hasattr(function, f"{PROJECT}_impl"):
            message = f"plugin {plugin.name}: {hook} has no @impl; put `@impl` above its `def`"
            raise ConfigError(message, place_of(function))
    try:
        manager.register(plugin.module, plugin.name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        message = " ".join(str(error).split())
        raise ConfigError(f"plugin {plugin.name}: {message}", _place_of_module(plugin.module)) from None


def _place_of_module(module: Any) -> Place | None:
    file = getattr(module, "__file__", None)
    return Place(file) if file else None


def _implementations(manager: pluggy.PluginManager, hook: str) -> Iterator[pluggy.HookImpl]:
    """In the order of registration, but for those that ask to be called first or last."""
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.hookwrapper or implementation.wrapper:
            message = f"plugin {implementation.plugin_name}: {hook} is a wrapper; hooks cannot be wrapped"
            raise ConfigError(message, place_of(implementation.function))
        yield implementation


def _offers(manager: pluggy.PluginManager, hook: str) -> Iterator[tuple[str, Any]]:
    for implementation in _implementations(manager, hook):
        try:
            yield implementation.plugin_name, implementation.function()
        except ConfigError:
            raise
        except Exception as error:
            message = f"plugin {implementation.plugin_name}: {hook} failed: {type(error).__name__}: {error}"
            raise ConfigError(message, place_of(implementation.function)) from error


def _add_guard(guards: dict[str, GuardInfo], plugin: _Plugin, cls: Any) -> None:
    hooks = check_guard(plugin.name, cls)
    taken = guards.get(cls.name)
    if taken is not None:
        other = f"{taken.cls.__qualname__} of plugin {taken.plugin}"
        who = f"plugin {plugin.name}: guard class {cls.__qualname__}"
        raise ConfigError(
            f"{who}: {cls.name!r} is already the name of {other}; give it another", place_of(cls)
        )
    guards[cls.name] = GuardInfo(cls, plugin.name, plugin.distribution, plugin.version, hooks)


def _named(manager: pluggy.PluginManager, hook: str) -> dict[str, Any]:
    """What all plugins offer under a name; no name twice."""
    found: dict[str, Any] = {}
    owners: dict[str, str] = {}
    for plugin, offered in _offers(manager, hook):
        for name, value in (offered or {}).items():
            if name in found:
                raise ConfigError(f"plugin {plugin}: {hook}: {name!r} is taken by plugin {owners[name]}")
            found[name], owners[name] = value, plugin
    return found


def _callables(manager: pluggy.PluginManager, hook: str) -> tuple[Callable[..., Any], ...]:
    names = tuple(
        ColdHooks.__dict__[hook].__code__.co_varnames[1 : ColdHooks.__dict__[hook].__code__.co_argcount]
    )
    found = [_callable(implementation, names) for implementation in _implementations(manager, hook)]
    return tuple(reversed(found))


def _callable(implementation: pluggy.HookImpl, names: tuple[str, ...]) -> Callable[..., Any]:
    """A plugin may declare fewer arguments; give it those that it wants."""
    wanted = [names.index(name) for name in implementation.argnames]
    function = implementation.function

    def call(*arguments: Any) -> Any:
        return function(*(arguments[index] for index in wanted))

    return call
