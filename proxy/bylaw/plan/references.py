"""Secrets by reference: the configuration says where a secret is, never what it is.

Law of this module: no error, repr, str or pickle shows a secret. References are followed once, at start.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, NoReturn, Self, SupportsIndex

from bylaw.errors import ConfigError, Place

SECRET_BYTES_MAX = 64 * 1024
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NOWHERE = Place("")
HOW = "write `env:NAME` (an environment variable) or `file:PATH` (a file that holds nothing else)"


class Secret:
    """A secret that shows only where it came from; `reveal()` is the one way to its value."""

    __slots__ = ("_origin", "_value")

    def __init__(self, value: str, origin: str) -> None:
        self._value, self._origin = value, origin

    def reveal(self) -> str:
        """The secret itself, for the one header or signature that needs it."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self._origin})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Compare in a time that does not depend on where the two differ."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a secret is not copied or pickled")


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is.

    Args:
        kind: `env` or `file`.
        name: name of the variable, or path of the file.
        place: where the reference is written.
    """

    EXPECTED: ClassVar[str] = "a reference to a secret: `env:NAME` or `file:PATH`"

    kind: Literal["env", "file"]
    name: str
    place: Place = field(default=NOWHERE, compare=False)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `env:NAME` or `file:PATH`.

        Raises:
            ValueError: anything else, which may be the secret itself and so is not repeated.
        """
        kind, _, name = text.partition(":")
        if kind == "env" and ENV_NAME.fullmatch(name):
            return cls("env", name)
        if kind == "file" and name and "\0" not in name:
            return cls("file", name)
        if kind == "env":
            raise ValueError("after `env:` stands the name of an environment variable, not the secret")
        raise ValueError(f"a secret is never written into a configuration: {HOW}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    def resolve(self, env: Mapping[str, str]) -> Secret:
        """Follow the reference; one line end at the end of a file is not part of the secret.

        Args:
            env: the process environment.

        Raises:
            ConfigError: missing, unreadable, empty, or not one line of visible characters.
        """
        value = self._variable(env) if self.kind == "env" else self._file()
        if not value:
            raise ConfigError(f"{self} is empty", self.place)
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise ConfigError(f"{self} is not one line of visible ASCII characters", self.place)
        return Secret(value, str(self))

    def _variable(self, env: Mapping[str, str]) -> str:
        if self.name not in env:
            raise ConfigError(f"the environment variable {self.name} is not set", self.place)
        return env[self.name]

    def _file(self) -> str:
        """A relative path is taken from the folder of the file that has the reference."""
        base = Path(self.place.file)
        path = base.parent / self.name if base.is_absolute() else Path(self.name)
        try:
            with path.open("rb") as file:
                data = file.read(SECRET_BYTES_MAX + 1)
        except OSError as error:
            raise ConfigError(f"{self} cannot be read: {error.strerror}", self.place) from None
        if len(data) > SECRET_BYTES_MAX:
            raise ConfigError(f"{self} is larger than {SECRET_BYTES_MAX} bytes", self.place)
        return data.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
