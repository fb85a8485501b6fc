"""Version of a source as one process knows it: asked for once a second, and counted.

Only what holds for everybody moves the count. An answer inside the caller's open transaction may
be a change that is never committed, or older than what is known, so it decides that one call.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from typing import Final

from django_wxpay.conf.asking import VERSION, Asker, SourceSilent
from django_wxpay.conf.sources import MerchantSource
from django_wxpay.protocol.errors import ConfigurationError

logger = logging.getLogger("django_wxpay.merchants")

# A version is asked for as often as this at most, in each process.
EVERY_S: Final = 1.0
# A source that hung holds up one request in so many seconds, and no more.
PAUSE_S: Final = 10.0
# Keys are changed with days to spare; an outage of a source ends sooner.
KEPT_S: Final = 3600.0


class Versions:
    """The versions of one source, numbered: ``generation`` is 0 before the first answer.

    ``is_silent`` while the source does not answer.
    """

    def __init__(self, source: MerchantSource, asker: Asker, clock: Callable[[], float]) -> None:
        self.generation = 0
        self.is_silent = False
        self._answered_at = float("-inf")
        # When each generation was last known to be the current one, as far as an hour back.
        self._ended: dict[int, float] = {}
        self._source = source
        self._asker = asker
        self._clock = clock
        self._asking = threading.Lock()
        self._ask_at = float("-inf")
        self._version: Hashable = None

    def ask_again(self) -> None:
        """Let the next look-up ask for the version, although the second has not passed."""
        self._ask_at = float("-inf")

    def refresh(self) -> bool:
        """Ask for the version if it is due; one thread asks, and no other waits.

        Returns whether the caller's transaction sees another version than what is known, so that
        he needs answers of his own. Raises ``ConfigurationError`` before the first answer: no
        alias is unknown then.
        """
        is_due = self._clock() >= self._ask_at
        if is_due and not self._asker.may_keep():
            if self._sees_another():
                return True
        # The first answer is waited for.
        elif is_due and self._asking.acquire(blocking=self.generation == 0):
            try:
                if self._clock() >= self._ask_at:
                    self._ask()
            finally:
                self._asking.release()
        self.require_first()
        return False

    def require_first(self) -> None:
        """Raise ``ConfigurationError`` before the first answer that holds for everybody."""
        if self.generation == 0:
            raise ConfigurationError("the source of merchants has not answered yet")

    def is_recent(self, generation: int) -> bool:
        """Return whether that generation was the source's own answer within the last hour."""
        is_latest = generation == self.generation
        ended = self._answered_at if is_latest else self._ended.get(generation)
        return ended is not None and self._clock() - ended <= KEPT_S

    def _sees_another(self) -> bool:
        # The next question stays due: it is for somebody outside of this transaction to ask it.
        try:
            version = self._answer()
        except Exception as error:  # noqa: BLE001 - a source is the project's code
            self._failed(error)
            return False
        self.is_silent = False
        return self.generation == 0 or version != self._version

    def _ask(self) -> None:
        try:
            version = self._answer()
        except Exception as error:  # noqa: BLE001 - a source is the project's code
            self._failed(error)
            return
        if self.generation == 0 or version != self._version:
            self._end()
            self._version = version
            self.generation += 1
        self.is_silent = False
        self._answered_at = self._clock()
        self._ask_at = self._clock() + EVERY_S

    def _end(self) -> None:
        oldest = self._clock() - KEPT_S
        self._ended = {key: at for key, at in self._ended.items() if at >= oldest}
        # What a transaction read before the first answer is as good as that.
        self._ended[self.generation] = self._answered_at if self.generation else self._clock()

    def _answer(self) -> Hashable:
        version = self._asker.ask(VERSION, self._source.version)
        hash(version)
        return version

    def _failed(self, error: Exception) -> None:
        if not self.is_silent:
            logger.error("merchant source: version() failed: %s", type(error).__name__)
        self.is_silent = True
        self._ask_at = self._clock() + (PAUSE_S if isinstance(error, SourceSilent) else EVERY_S)
