"""Whether a guard class keeps the contract, judged before it is ever called.

Law of this module: what would fail, or silently never run, in the middle of an exchange is refused at start,
with plugin, class, file, line and the fix.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from types import FunctionType
from typing import Any

from bylaw.errors import ConfigError, Place
from bylaw.plan.typed import nearest
from bylaw.spec.guard import TEXT_CHANNELS, Guard
from bylaw.spec.hooks import HOT, PROJECT

MARK = f"{PROJECT}_impl"
NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
Complain = Callable[[str, Any], ConfigError]


def check_guard(plugin: str, cls: Any) -> tuple[str, ...]:
    """The hot hooks of a guard class that keeps the contract.

    Raises:
        ConfigError: it does not.
    """
    if not isinstance(cls, type) or not issubclass(cls, Guard):
        raise ConfigError(
            f"plugin {plugin}: register_guards gave {cls!r}; give subclasses of bylaw.spec.Guard"
        )

    def complain(message: str, where: Any) -> ConfigError:
        return ConfigError(f"plugin {plugin}: guard class {cls.__qualname__}: {message}", place_of(where))

    _check_attributes(cls, complain)
    _check_strangers(cls, complain)
    hooks = tuple(hook for hook in HOT if inspect.getattr_static(cls, hook, None) is not None)
    if not hooks:
        raise complain(f"it has no hook; write one of {', '.join(HOT)} and mark it @impl", cls)
    for hook in hooks:
        _check_hook(hook, inspect.getattr_static(cls, hook), cls, complain)
    return hooks


def place_of(thing: Any) -> Place | None:
    """File and line where a function or class is defined; None if it has no source."""
    thing = getattr(thing, "__func__", thing)
    try:
        file = inspect.getsourcefile(thing) or inspect.getfile(thing)
        line = (
            thing.__code__.co_firstlineno if inspect.isfunction(thing) else inspect.getsourcelines(thing)[1]
        )
    except (TypeError, OSError):
        return None
    return Place(file, line)


def _check_attributes(cls: Any, complain: Complain) -> None:
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise complain(
            f'its name is {name!r}; give it `name = "..."` of lower-case letters, digits, `_`, `-` and `.`, '
            "at most 64, a letter first",
            cls,
        )
    if not isinstance(cls.Options, type) or not dataclasses.is_dataclass(cls.Options):
        raise complain("its Options is no dataclass; put `@dataclass(frozen=True)` above it", cls)
    if not isinstance(cls.version, str) or not cls.version:
        raise complain("its version must be a text that is not empty", cls)
    if not isinstance(cls.controls, tuple) or not all(isinstance(control, str) for control in cls.controls):
        raise complain('its controls must be a tuple of texts, e.g. `("privacy",)`', cls)
    if not isinstance(cls.look_behind, int) or cls.look_behind < 0:
        raise complain("its look_behind must be a number of characters, 0 or more", cls)
    if not cls.reads <= TEXT_CHANNELS:
        unknown = min(cls.reads - TEXT_CHANNELS)
        raise complain(f"it reads {unknown!r}, which is no channel{nearest(unknown, TEXT_CHANNELS)}", cls)


def _check_strangers(cls: type[Guard], complain: Complain) -> None:
    """A misspelt hook would never be called."""
    for name, value in inspect.getmembers_static(cls):
        looks_like_one = name.startswith(("inspect_", "amend_")) or hasattr(value, MARK)
        if callable(value) and looks_like_one and name not in HOT:
            raise complain(f"{name} is no hook{nearest(name, HOT)}", value)


def _check_hook(hook: str, value: Any, cls: type[Guard], complain: Complain) -> None:
    if isinstance(value, staticmethod | classmethod):
        raise complain(f"{hook} is a {type(value).__name__}; make it a plain method", value)
    if not isinstance(value, FunctionType):
        raise complain(f"{hook} is no method; write it with `def` or `async def`", cls)
    mark = getattr(value, MARK, None)
    if mark is None:
        raise complain(
            f"{hook} has no @impl, so it would never be called; put `@impl` above its `def`", value
        )
    if mark.get("wrapper") or mark.get("hookwrapper"):
        raise complain(f"{hook} is a wrapper; hooks of guards cannot be wrapped, use a plain `@impl`", value)
    if inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value):
        raise complain(f"{hook} is a generator; return one Verdict instead of yielding", value)
    _check_signature(hook, value, complain)


def _check_signature(hook: str, value: FunctionType, complain: Complain) -> None:
    parameters = list(inspect.signature(value).parameters.values())[1:]
    if any(parameter.default is not parameter.empty for parameter in parameters):
        raise complain(f"{hook} has a default argument; a hook is always given exactly two arguments", value)
    plain = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    if len(parameters) != 2 or any(parameter.kind not in plain for parameter in parameters):
        subject = {"inspect_request": "prompt", "inspect_tool_call": "call"}.get(hook, hook.split("_")[1])
        raise complain(
            f"{hook} must take exactly two arguments: `def {hook}(self, exchange, {subject})`", value
        )
