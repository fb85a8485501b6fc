"""Payment codes that customers show to be scanned, and how each customer takes a charge.

Source: protocol-v2 sections 6.2 and 6.8.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django_wxpay.simulator.state.trades import NOTPAY, PAYERROR, SUCCESS, USERPAYING, Trade

# A phone shows a new code every minute.
CODE_LIFE: Final = timedelta(minutes=1)


class Behaviour(StrEnum):
    """The course that a charge takes. ``PERSON`` is a person at the phone page."""

    PAYS = "pays"
    PERSON = "person"
    CONFIRMS = "password_pays"
    CANCELS = "password_cancels"
    IGNORES = "password_ignored"
    BANK_ERROR_PAYS = "bank_error_pays"
    BANK_ERROR_REFUSES = "bank_error_refuses"
    NOT_ENOUGH = "not_enough"
    EXPIRED = "expired"
    SYSTEM_ERROR_PAYS = "system_error_pays"


@dataclass(frozen=True, slots=True)
class Course:
    """One row: the error that the charge is answered with, and the states that follow.

    ``err_code`` is v2's, "" for a success. ``later`` is "" where nothing more happens by itself.
    """

    err_code: str
    at_once: str
    later: str = ""


COURSES: Final[dict[Behaviour, Course]] = {
    Behaviour.PAYS: Course("", SUCCESS),
    Behaviour.PERSON: Course("", SUCCESS),
    Behaviour.CONFIRMS: Course("USERPAYING", USERPAYING, SUCCESS),
    Behaviour.CANCELS: Course("USERPAYING", USERPAYING, PAYERROR),
    Behaviour.IGNORES: Course("USERPAYING", USERPAYING),
    Behaviour.BANK_ERROR_PAYS: Course("BANKERROR", USERPAYING, SUCCESS),
    Behaviour.BANK_ERROR_REFUSES: Course("BANKERROR", USERPAYING, PAYERROR),
    Behaviour.NOT_ENOUGH: Course("NOTENOUGH", NOTPAY),
    Behaviour.SYSTEM_ERROR_PAYS: Course("SYSTEMERROR", SUCCESS),
}


@dataclass(slots=True, kw_only=True, eq=False)
class PaymentCode:
    """One code on a customer's phone. ``trade`` is the only order that it can pay.

    ``reserved_for`` is the mch_id that asked for the customer's openid, "" if none did.
    ``is_issued`` is off for digits that no phone of the simulator has shown.
    """

    auth_code: str
    behaviour: Behaviour
    expires_at: datetime
    is_issued: bool = True
    reserved_for: str = ""
    trade: Trade | None = None


class PaymentCodes:
    """Every payment code that was issued or scanned, and the one on the phone page."""

    def __init__(self) -> None:
        self._by_code: dict[str, PaymentCode] = {}
        self.on_screen: PaymentCode | None = None

    def add(self, code: PaymentCode) -> None:
        self._by_code[code.auth_code] = code

    def find(self, auth_code: str) -> PaymentCode | None:
        return self._by_code.get(auth_code)
