"""Merchants of a source: each read and judged when it is first asked for, bounded in memory.

A source may return nonsense, and what it has said before goes on being used for a while, for an
outage of a table of merchants is none of payments.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

from django_wxpay.conf.answers import Answer, Kept, failed, judged, names_of, out_of_order
from django_wxpay.conf.asking import Asker, SourceBusy, SourceSilent
from django_wxpay.conf.entries import ALIAS, Problem
from django_wxpay.conf.sources import MerchantSource
from django_wxpay.conf.versions import KEPT_S, Versions
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.merchants import Merchant

logger = logging.getLogger("django_wxpay.merchants")

T = TypeVar("T")

# A merchant with the PEMs of both protocols takes about 6 KB.
MOST_KEPT: Final = 8192

# The merchants that the request in hand has seen, by directory and alias.
_seen: ContextVar[dict[tuple[Directory, str], Merchant] | None] = ContextVar("wxpay", default=None)


@contextmanager
def same_account() -> Iterator[None]:
    """Let whatever runs inside see each merchant as it was when it was first looked up."""
    if _seen.get() is not None:
        yield
        return
    token = _seen.set({})
    try:
        yield
    finally:
        _seen.reset(token)


class Directory(Mapping[str, Merchant]):
    """The merchants of a source by alias, each read and checked when it is first asked for.

    Raises ``KeyError`` for an alias that the source does not have, and ``ConfigurationError`` for
    a merchant that is out of order. To iterate reads aliases alone.
    """

    def __init__(
        self, source: MerchantSource, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.source = source
        self._clock = clock
        self._asker = Asker(source)
        self._versions = Versions(source, self._asker, clock)
        self._names: Kept[Mapping[str, None]] | None = None
        self._entries: dict[str, Kept[Merchant]] = {}

    # As with any object: two are never equal, and it stands in a set.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __getitem__(self, alias: str) -> Merchant:
        seen = _seen.get()
        if seen is not None and (self, alias) in seen:
            return seen[self, alias]
        merchant = self._value(self._entry(alias), f'merchant "{alias}": its source')
        if seen is not None:
            seen[self, alias] = merchant
        return merchant

    def __contains__(self, alias: object) -> bool:
        return isinstance(alias, str) and alias in self._present()

    def __iter__(self) -> Iterator[str]:
        return iter(self._present())

    def __len__(self) -> int:
        return len(self._present())

    def ask_again(self) -> None:
        """Let the next look-up ask for the version, although the second has not passed."""
        self._versions.ask_again()

    def loaded(self) -> list[Merchant]:
        """Return the merchants in memory, without a question to the source."""
        return [each.value for each in list(self._entries.values()) if each.value]

    def generation(self) -> int:
        """Return a number that is another one after each change of the source.

        Raises ``ConfigurationError`` while the source has not answered yet.
        """
        self._versions.refresh()
        self._versions.require_first()
        return self._versions.generation

    def problem(self, alias: str) -> Problem | None:
        """Return why a merchant is out of order, or None. Raises ``KeyError`` as look-ups do."""
        try:
            entry = self._entry(alias)
            if entry.problem is None:
                self._value(entry, f'merchant "{alias}": its source')
        except ConfigurationError as error:
            return Problem("E031", str(error), alias)
        return entry.problem

    def _value(self, kept: Kept[T], whose: str) -> T:
        """Return what is kept if it may be used, or raise ``ConfigurationError``."""
        versions = self._versions
        if kept.problem is not None or kept.value is None:
            raise ConfigurationError(kept.problem.message if kept.problem else "")
        is_proven = kept.is_current(versions.generation) and not versions.is_silent
        if not is_proven and not versions.is_recent(kept.generation):
            minutes = f"for more than {KEPT_S / 60:.0f} minutes"
            raise ConfigurationError(f"{whose} has not answered {minutes}")
        return kept.value

    def _need_not_ask(self, kept: Kept[T]) -> bool:
        versions = self._versions
        is_all_there_is = versions.is_silent and kept.problem is None
        return is_all_there_is or kept.is_fresh(versions.generation, self._clock())

    def _entry(self, alias: str) -> Kept[Merchant]:
        if not isinstance(alias, str):
            raise KeyError(alias)
        is_apart = self._versions.refresh()
        entry = self._entries.get(alias)
        if not is_apart and entry is not None and self._need_not_ask(entry):
            return entry
        if is_apart or not self._asker.may_keep():
            self._require_possible(alias, is_apart=is_apart)
            return self._read(alias)
        # Of a stranger's alias only the set of aliases is asked, never the source.
        if alias not in self._known():
            self._entries.pop(alias, None)
            raise KeyError(alias)
        try:
            entry = self._read(alias)
        except KeyError:
            self._entries.pop(alias, None)
            raise
        self._keep(alias, entry)
        return entry

    def _require_possible(self, alias: str, *, is_apart: bool) -> None:
        """Raise ``KeyError`` for an alias that cannot be there, without a question."""
        # They would not be kept: to go over all merchants would ask for them at each.
        names = self._names
        is_known = not is_apart and names is not None and self._need_not_ask(names)
        known = names.value if names is not None and is_known else None
        if ALIAS.problem(alias) or (known is not None and alias not in known):
            raise KeyError(alias)

    def _read(self, alias: str) -> Kept[Merchant]:
        get = self.source.get
        try:
            answer = self._asker.ask(("get", alias), lambda: self._answer(get, alias))
        except LookupError:
            raise KeyError(alias) from None
        except ConfigurationError as error:
            problem = Problem("E032", str(error), alias)
            known = self._entries.get(alias)
            return out_of_order(known, self._versions.generation, problem, now=self._clock())
        except Exception as error:  # noqa: BLE001 - a source is the project's code
            words = _words(error)
            logger.error("merchant source: get(%r) %s", alias, words)  # noqa: TRY400 - its trace may hold keys
            problem = Problem(
                "E031", f'merchant "{alias}" cannot be had: its source {words}', alias
            )
            return failed(self._entries.get(alias), error, problem, now=self._clock())
        if answer.value is None:
            raise KeyError(alias)
        return judged(alias, answer, self._entries.get(alias), now=self._clock())

    def _keep(self, alias: str, entry: Kept[Merchant]) -> None:
        self._entries.pop(alias, None)
        self._entries[alias] = entry
        while len(self._entries) > MOST_KEPT:
            # Two threads may drop the same one.
            self._entries.pop(next(iter(list(self._entries))), None)

    def _present(self) -> Mapping[str, None]:
        if self._versions.refresh():
            return self._value(self._asked_names(), "the source of merchants")
        return self._known()

    def _known(self) -> Mapping[str, None]:
        kept = self._names
        if kept is None or not self._need_not_ask(kept):
            kept = self._asked_names()
        return self._value(kept, "the source of merchants")

    def _asked_names(self) -> Kept[Mapping[str, None]]:
        may_keep = self._asker.may_keep()
        try:
            answer = self._asker.ask(
                "aliases", lambda: self._answer(lambda: names_of(self.source.aliases()))
            )
        except Exception as error:  # noqa: BLE001 - a source is the project's code
            logger.error("merchant source: aliases() %s", _words(error))  # noqa: TRY400 - its trace may hold keys
            text = f"the source of merchants does not name its merchants: it {_words(error)}"
            kept = failed(self._names, error, Problem("E031", text), now=self._clock())
        else:
            kept = Kept(answer.generation, answer.value)
        if may_keep:
            self._names = kept
        return kept

    def _answer(self, question: Callable[..., object], *args: str) -> Answer:
        # Read before the answer: a change meanwhile is another generation, and read once more.
        generation = self._versions.generation
        return Answer(generation, question(*args))


def _words(error: Exception) -> str:
    if isinstance(error, SourceSilent):
        return "did not answer in time"
    if isinstance(error, SourceBusy):
        return "hangs on other questions"
    return f"raised {type(error).__name__}"
