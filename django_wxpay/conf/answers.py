"""Answers of a source that are kept: read, judged, and good for as long as they are proven.

An answer says of which generation of the source it is, so that a failure later leaves it in use for
an hour from the last moment at which it was current, and no longer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from django_wxpay.conf.asking import SourceSilent
from django_wxpay.conf.entries import ALIAS, Problem, entry_problems, key_problems, read_entry
from django_wxpay.conf.reading import read_sealed
from django_wxpay.conf.schema import is_shown
from django_wxpay.conf.versions import EVERY_S, PAUSE_S
from django_wxpay.protocol.merchants import Merchant

logger = logging.getLogger("django_wxpay.merchants")

T = TypeVar("T")
_NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """The latest good ``value`` of a source, which is None if there was none, and its generation.

    ``problem`` says why it must not be used. The source is asked again at ``again_at`` at the
    latest, and with a new generation; if ``is_failing`` not before ``again_at`` in any case.
    """

    generation: int
    value: T | None
    problem: Problem | None = None
    again_at: float = _NEVER
    is_failing: bool = False

    def is_fresh(self, generation: int, now: float) -> bool:
        """Return whether the source need not be asked."""
        return now < self.again_at and (self.is_failing or self.generation == generation)

    def is_current(self, generation: int) -> bool:
        """Return whether this is the source's own answer, and of the latest generation."""
        return self.generation == generation and not self.is_failing


def failed(known: Kept[T] | None, error: Exception, problem: Problem, *, now: float) -> Kept[T]:
    """Return what is kept of a source that gave no answer; ``problem`` if there is nothing."""
    again_at = now + (PAUSE_S if isinstance(error, SourceSilent) else EVERY_S)
    if known is None or (known.value is None and known.is_failing):
        return Kept(0, None, problem, again_at, is_failing=True)
    return replace(known, again_at=again_at, is_failing=True)


def out_of_order(
    known: Kept[Merchant] | None, generation: int, problem: Problem, *, now: float
) -> Kept[Merchant]:
    """Return what is kept of a merchant in which something is wrong, perhaps in passing."""
    # What it was stays at hand, for it may be the same again.
    value = known.value if known else None
    return Kept(generation, value, problem, again_at=now + PAUSE_S)


class Answer:
    """What a source returned, which may hold keys as text: no frame shows it."""

    __slots__ = ("generation", "value")

    def __init__(self, generation: int, value: Any) -> None:
        self.generation = generation
        self.value = value


def names_of(names: Iterable[object]) -> Mapping[str, None]:
    """Return the aliases that an address can have, in the order of the source, each once."""
    found = list(names)
    strange = [name for name in found if not isinstance(name, str) or ALIAS.problem(name)]
    if strange:
        logger.error("merchant source: %d aliases are no %s", len(strange), ALIAS.text)
    return dict.fromkeys(name for name in found if name not in strange)  # type: ignore[misc]


def judged(
    alias: str, answer: Answer, known: Kept[Merchant] | None, *, now: float
) -> Kept[Merchant]:
    """Return the merchant of an answer; it has to pass as settings have."""
    where = f'MERCHANTS["{alias}"]'
    before = known.value if known else None

    def shown(names: tuple[Any, ...]) -> bool:
        return is_shown(("MERCHANTS", alias, *names))

    try:
        entry = read_sealed(lambda: answer.value, is_shown=shown)
        problems = entry_problems(alias, entry, where, with_keys=False)
        errors = [each for each in problems if each.code.startswith("E")]
        merchant = None if errors else read_entry(alias, entry)
        if merchant is not None and merchant != before:
            found = key_problems(merchant, where)
            errors = [each for each in found if each.code.startswith("E")]
    except Exception as error:  # noqa: BLE001 - nonsense of any kind may fail anywhere
        errors = [Problem("E031", f"{where} cannot be read ({type(error).__name__})", alias)]
    if errors:
        logger.error("%s (%s)", errors[0].message, errors[0].code)
        return out_of_order(known, answer.generation, errors[0], now=now)
    # The same object as before, so that what is kept for it is kept.
    return Kept(answer.generation, before if merchant == before else merchant)
