"""Members of a JSON document, each of the type that is asked for, and none left over.

What is wrong is said with the member's place, such as ``merchants[0].api_key``, and without its
value, which may be a key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, NoReturn, TypeVar, get_args, get_origin

from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.secrets import Secret

T = TypeVar("T")

_BEGIN: Final = "-----BEGIN "
_LARGEST: Final = 1024 * 1024
_NAMES: Final = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    frozenset: "a list of texts",
    NoneType: "null",
}


def read_document(file: Path) -> Members:
    """Return the object in ``file``; raises ``ConfigurationError``."""
    try:
        with file.open("rb") as opened:
            octets = opened.read(_LARGEST + 1)
        if len(octets) > _LARGEST:
            raise ConfigurationError(f"{file} is larger than {_LARGEST} bytes")
        document = json.loads(octets.decode("utf-8-sig"), object_pairs_hook=_once)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} is not a text in UTF-8") from None
    except json.JSONDecodeError as error:
        at = f"line {error.lineno} column {error.colno}"
        raise ConfigurationError(f"{file} is not JSON: {error.msg}, {at}") from None
    except RecursionError:
        raise ConfigurationError(f"{file} is nested too deeply") from None
    except ValueError as error:
        raise ConfigurationError(f"{file}: {error}") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{file} is not an object with members")
    return Members(document, at="", file=file)


class Members:
    """The members of one object of ``file``, which stands at ``at`` in it."""

    def __init__(self, members: Mapping[str, Any], *, at: str, file: Path) -> None:
        # As secrets, in any frame: a key may stand under any name.
        self._members = {name: _sealed(value) for name, value in members.items()}
        self._at = at
        self._file = file
        self._known: list[str] = []

    def has(self, name: str) -> bool:
        """Say whether the member is there."""
        self._known.append(name)
        return name in self._members

    def refuse(self, name: str, problem: str) -> None:
        """Fail for a member that has no place here, if it is there."""
        if name in self._members:
            self.fail(name, problem)

    def fail(self, name: str, problem: str) -> NoReturn:
        """Raise ``ConfigurationError`` for a member, or for one inside it."""
        raise ConfigurationError(f"{self._file}: {self._at}{name} {problem}")

    def end(self) -> None:
        """Refuse the members that nobody has asked for."""
        for name in self._members:
            if name not in self._known:
                known = ", ".join(dict.fromkeys(self._known))
                self.fail(name, f"is not a member that is known here: {known}")

    def text(self, name: str, *, default: str | None = None) -> str:
        """Return a text that is not empty."""
        if not self.has(name):
            if default is None:
                self.fail(name, "is missing")
            return default
        return self.secret(name).reveal()

    def secret(self, name: str) -> Secret:
        """Return a text that may be a key, or an empty one."""
        if not self.has(name):
            return Secret("")
        value = self._members[name]
        if not isinstance(value, Secret) or not value:
            self.fail(name, "is not a text, or is empty")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of at least one text."""
        value = self._listed(name)
        if not value or not all(isinstance(each, Secret) and each for each in value):
            self.fail(name, "is not a list of texts, or is empty")
        return tuple(each.reveal() for each in value)

    def word(self, name: str, words: Iterable[str], *, default: str) -> str:
        """Return one of ``words``."""
        value = self.text(name, default=default)
        if value not in tuple(words):
            self.fail(name, f"is not one of {', '.join(words)}")
        return value

    def readable(self, name: str, read: Callable[[bytes], T]) -> T:
        """Return what ``read`` makes of a PEM: the member is its path, or the PEM itself."""
        value = self.secret(name)
        try:
            if value.reveal().startswith(_BEGIN):
                return read(value.octets())
            return read((self._file.parent / value.reveal()).read_bytes())
        except OSError as error:
            self.fail(name, f"is a path that cannot be read: {error.strerror}")
        except ConfigurationError as error:
            self.fail(name, f"is {error}")
        except ValueError:
            self.fail(name, "is neither a PEM nor a path")

    def record(self, name: str) -> Members:
        """Return an object, one without members if it is not there."""
        value = self._members[name] if self.has(name) else {}
        if not isinstance(value, Mapping):
            self.fail(name, "is not an object with members")
        return Members(value, at=f"{self._at}{name}.", file=self._file)

    def records(self, name: str) -> list[Members]:
        """Return a list of at least one object."""
        value = self._listed(name)
        if not value:
            self.fail(name, "is empty")
        for index, each in enumerate(value):
            if not isinstance(each, Mapping):
                self.fail(f"{name}[{index}]", "is not an object with members")
        return [
            Members(each, at=f"{self._at}{name}[{index}].", file=self._file)
            for index, each in enumerate(value)
        ]

    def typed(self, name: str, hint: Any) -> Any:
        """Return a value of the type ``hint``: a plain one, a ``Literal``, or a set of texts."""
        value = _plain(self._members[name])
        if get_origin(hint) is Literal:
            if value not in get_args(hint) or isinstance(value, bool):
                self.fail(name, f"is not one of {', '.join(map(str, get_args(hint)))}")
            return value
        kinds = get_args(hint) if get_origin(hint) is UnionType else (get_origin(hint) or hint,)
        if frozenset in kinds and isinstance(value, list):
            return frozenset(self.texts(name)) if value else frozenset()
        # JSON writes 3.0 as 3, and Python takes true for a number.
        wanted = (*kinds, int) if float in kinds else kinds
        if type(value) not in wanted:
            self.fail(name, f"is not {' or '.join(_NAMES[kind] for kind in kinds)}")
        if isinstance(value, int | float) and not 0 <= value <= _LARGEST * _LARGEST:
            self.fail(name, "is below zero or too large")
        return value

    def _listed(self, name: str) -> list[Any]:
        value = self._members[name] if self.has(name) else self.fail(name, "is missing")
        if not isinstance(value, list):
            self.fail(name, "is not a list")
        return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"the member {name[:64]} is there twice")
    return dict(pairs)


def _sealed(value: Any) -> Any:
    if isinstance(value, str):
        return Secret(value)
    return [_sealed(each) for each in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    return [_plain(each) for each in value] if isinstance(value, list) else value
