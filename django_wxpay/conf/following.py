"""Following of merchants that come and go, for a part that keeps a list of its own.

The simulator knows no settings, so whoever starts it has it told of each change.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context

from django_wxpay import conf
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.merchants import Merchant


class Follower:
    """Gives ``learn`` every merchant that is in order, whenever one has changed.

    ``learn`` may raise ``ConfigurationError``, and ``say`` takes a sentence on it.
    """

    def __init__(
        self,
        learn: Callable[[list[Merchant]], object],
        *,
        say: Callable[[str], object] | None = None,
    ) -> None:
        self._learn = learn
        self._say = say
        self._looking = threading.Lock()
        self._seen: tuple[conf.Directory, int] | None = None

    def look(self) -> None:
        """Let the merchants be learned if they have changed; asked at most once a second."""
        try:
            directory = conf.directory()
            now = None if directory is None else (directory, directory.generation())
        except ConfigurationError:
            # Those that are known go on, as they do in the shop.
            return
        if now is None or now == self._seen:
            return
        with self._looking:
            # Another thread may have been first.
            if now == self._seen:
                return
            try:
                # In a context of its own: the request in hand may hold on to what was before.
                self._learn(Context().run(lambda: list(conf.accounts())))
            except ConfigurationError as error:
                if self._say is not None:
                    self._say(f"The merchants have changed, and are not taken: {error}")
            self._seen = now
