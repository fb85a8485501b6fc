"""A secret as an object that shows nothing of itself, so that a key may stand in any frame.

Error trackers keep the ``repr`` of every variable of every frame that an error passed. So no
variable, argument or attribute of ours holds a key as text: a key is a ``Secret`` from the moment
a setting is read, and is unwrapped inside the very expression that hands it to a library. The
same holds for every text with a key in it, such as the string that v2 signs.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from typing import Final, Never, Self

MASK: Final = "…"


class Secret:
    """A text or octets that only ``reveal`` and ``octets`` give away.

    Its ``repr``, ``str`` and every format of it are a mask, it cannot be pickled or written as
    JSON, and it is compared in constant time, with other secrets alone. It is true unless it is
    empty. Text is held as UTF-8.
    """

    # A bound method of C: whoever looks into the slot is shown the method, not what it returns.
    __slots__ = ("octets",)

    octets: Callable[[], bytes]

    def __init__(self, value: str | bytes) -> None:
        if isinstance(value, str):
            # Takes every text: an error would hold it.
            value = value.encode(errors="surrogatepass")
        self.octets = value.__bytes__

    @classmethod
    def of(cls, value: str | bytes | Secret) -> Secret:
        """Return ``value`` as a secret, for functions that others call with a plain key."""
        return value if isinstance(value, Secret) else cls(value)

    def reveal(self) -> str:
        """Return the text itself; to be used in the expression that needs it, and never kept."""
        return self.octets().decode(errors="replace")

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self.octets())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.octets(), other.octets())

    def __hash__(self) -> int:
        return hash((Secret, self.octets()))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> Never:
        raise TypeError("a secret is not pickled")


def masked(text: Secret, secrets: Iterable[Secret]) -> str:
    """Return ``text`` with a mask in the place of each of ``secrets``."""
    for secret in filter(None, secrets):
        text = Secret(text.reveal().replace(secret.reveal(), MASK))
    return text.reveal()


def holds_any(text: Secret, secrets: Iterable[Secret]) -> bool:
    """Return whether one of ``secrets`` stands in ``text``."""
    return any(secret.reveal() in text.reveal() for secret in filter(None, secrets))
