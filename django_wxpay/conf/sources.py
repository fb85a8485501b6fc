"""The source of merchants that ``WXPAY["MERCHANTS"]`` names by its dotted path.

Importing and making it runs the project's own code, which may fail in any way.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol, cast

from django.utils.module_loading import import_string

from django_wxpay.conf.entries import Problem
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.secrets import Secret

logger = logging.getLogger("django_wxpay.merchants")

# A message may quote a dotted path; a key in its place has no dots.
_DOTTED: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


class MerchantSource(Protocol):
    """Merchants that come and go without a restart; it has to be safe on several threads.

    One with an attribute ``is_prompt`` that is true is asked on the thread that needs the answer;
    any other on a thread of its own, for two seconds at most. If such a one reads in the caller's
    transaction, ``may_keep() -> bool`` says so: while it returns False, what is answered is used
    for the present call alone.
    """

    def get(self, alias: str) -> Mapping[str, Any]:
        """Return the settings of one merchant; raise ``LookupError`` if there is none."""

    def aliases(self) -> Iterable[str]:
        """Return the alias of every merchant."""

    def version(self) -> Hashable:
        """Return another value after each change; asked once a second at most."""


def source_problems(path: Secret, *, has_sealing_keys: bool) -> Iterator[Problem]:
    """Yield why a source cannot be used; it is imported and asked for nothing."""
    where = 'WXPAY["MERCHANTS"]'
    if not _DOTTED.fullmatch(path.reveal()):
        yield Problem("E031", f"{where} is neither a dict nor the dotted path of a source")
        return
    try:
        made = import_string(path.reveal())
    except Exception as error:  # noqa: BLE001 - importing a project's module may fail in any way
        shown = f"{where} names {path.reveal()}"
        yield Problem("E031", f"{shown}, which cannot be imported ({type(error).__name__})")
        return
    missing = [name for name in ("get", "aliases", "version") if not hasattr(made, name)]
    if missing or not callable(made):
        lacks = f"has no {missing[0]}()" if missing else "is no class"
        yield Problem("E031", f"{where} names {path.reveal()}, which {lacks}")
    elif getattr(made, "is_sealed", False) and not has_sealing_keys:
        yield Problem("W016", f'{where} names {path.reveal()}, and WXPAY["SEALING_KEYS"] is empty')


def open_source(path: Secret) -> MerchantSource:
    """Return the source of a path with which nothing is wrong, or raise ``ConfigurationError``."""
    try:
        return cast("MerchantSource", import_string(path.reveal())())
    except Exception as error:  # noqa: BLE001 - making it is the project's code
        kind = type(error).__name__
    # Outside the except clause: the words of that error may hold a key.
    logger.error("the source of merchants cannot be made: %s", kind)
    raise ConfigurationError(f"the source of merchants cannot be made ({kind})")
