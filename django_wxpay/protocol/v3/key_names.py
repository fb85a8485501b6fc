"""The names of keys and certificates, apart from the keys: a page searches for them."""

from __future__ import annotations

import re
from typing import Final

PUBLIC_KEY_ID: Final = "PUB_KEY_ID_"

_HEXADECIMAL: Final = re.compile("[0-9A-Fa-f]+")
_SERIAL_DIGITS: Final = 40


def key_name(serial: str) -> str:
    """Return ``serial`` as keys are filed, sent and compared: the one form of its number.

    A certificate's serial is a number, however it is written: 40 upper-case hexadecimal digits,
    filled up with zeros. All else, ``PUB_KEY_ID_...`` first, is a name and stays as it is
    (protocol-v3 section 2.3, rule 6).
    """
    if not _HEXADECIMAL.fullmatch(serial):
        return serial
    return serial.upper().lstrip("0").zfill(_SERIAL_DIGITS)
