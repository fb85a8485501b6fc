"""What an answer that is not a 2xx says: a code, a message, and where the trouble is.

Such an answer carries no signature (protocol-v3 sections 2.3 and 7.1), so it is a hint and
never a fact. Only ``code`` is dependable; everything else is read as far as it can be, and
``detail.value`` never, for it may be the payer's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django_wxpay.protocol.error_codes import Outcome
from django_wxpay.protocol.errors import MalformedMessage, Refused
from django_wxpay.protocol.v3.documents import read_object
from django_wxpay.protocol.v3.error_codes import normalised, outcome_of_v3
from django_wxpay.protocol.v3.reading import Members, word

_LONGEST_CODE: Final = 64
_LONGEST_TEXT: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class V3Error:
    """One error body. ``code`` is without underscores in capitals, "" where there was none."""

    status: int
    code: str = ""
    message: str = ""
    detail_text: str = ""
    spelled: str = ""

    @property
    def outcome(self) -> Outcome:
        """The row of the error table for this code under this status."""
        return outcome_of_v3(self.status, self.spelled)

    @property
    def err_code(self) -> str:
        """The code in the word that v2 has for it, where it has one."""
        return self.outcome.code

    def refusal(self) -> Refused:
        """Return the error as what the package raises; its text says where the trouble is."""
        said = " ".join(part for part in (self.message, self.detail_text) if part)
        return Refused(self.err_code, said[:_LONGEST_TEXT], self.outcome.advice)


def read_error(status: int, body: bytes) -> V3Error:
    """Return what an error answer says; an empty or unreadable body says nothing. Never raises."""
    try:
        said = read_object(body)
    except MalformedMessage:
        return V3Error(status=status)
    spelled = _shown(word(said, "code"), _LONGEST_CODE)
    return V3Error(
        status=status,
        code=normalised(spelled),
        message=_shown(word(said, "message"), _LONGEST_TEXT),
        detail_text=_shown(_detail_text(said), _LONGEST_TEXT),
        spelled=spelled,
    )


def _detail_text(said: Members) -> str:
    detail = _object(said, "detail")
    issue = word(detail, "issue") or word(_object(detail, "detail"), "issue")
    signed = _object(detail, "sign_information")
    parts = (
        word(detail, "field"),
        issue,
        f"in {word(detail, 'location')}" if word(detail, "location") else "",
        f"(signed there: {word(signed, 'method')} {word(signed, 'url')})" if signed else "",
    )
    return " ".join(part for part in parts if part)


def _object(holder: Members, name: str) -> Members:
    held = holder.get(name)
    return held if isinstance(held, dict) else {}


def _shown(text: str, longest: int) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:longest]
