"""The catalogue of faults, as data.

A new fault is a row here, a line where it takes effect, and a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django_wxpay.protocol.merchants import Api
from django_wxpay.simulator.state.payment_codes import Behaviour


class Stage(StrEnum):
    """The point at which a fault takes effect."""

    ANSWER = "answer"  # an answer to a call
    PAYMENT = "payment"  # how the notifications of a payment are sent
    ATTEMPT = "attempt"  # what one notification says
    PLACING = "placing"  # between accepting an order and answering
    CHARGE = "charge"  # how the customer whose payment code is scanned behaves
    REFUND = "refund"  # whether a refund is accepted, and how it ends
    BILL = "bill"  # what a bill says, and how its file is sent


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One row of the catalogue.

    ``executed`` says whether the call is executed all the same; ``seconds`` and ``count`` are
    the defaults of a script. The fault waits for a call in one of the protocols ``apis``, and
    for one of ``operations`` if any are named.
    """

    name: str
    description: str
    stages: frozenset[Stage]
    executed: bool = True
    seconds: float = 0.0
    count: int = 1
    apis: frozenset[Api] = frozenset(Api)
    operations: frozenset[str] = frozenset()


_V2: Final = frozenset({Api.V2})
_V3: Final = frozenset({Api.V3})
_BOTH: Final = frozenset(Api)


def _answer(
    name: str,
    description: str,
    *,
    executed: bool = True,
    seconds: float = 0.0,
    apis: frozenset[Api] = _BOTH,
    operations: frozenset[str] = frozenset(),
) -> FaultKind:
    return FaultKind(
        name=name,
        description=description,
        stages=frozenset({Stage.ANSWER}),
        executed=executed,
        seconds=seconds,
        apis=apis,
        operations=operations,
    )


def _message(name: str, description: str, *, apis: frozenset[Api] = _BOTH) -> FaultKind:
    stages = frozenset({Stage.ANSWER, Stage.ATTEMPT})
    return FaultKind(name=name, description=description, stages=stages, apis=apis)


def _notice(
    name: str,
    description: str,
    stage: Stage,
    *,
    seconds: float = 0.0,
    count: int = 1,
    apis: frozenset[Api] = _BOTH,
) -> FaultKind:
    return FaultKind(
        name=name,
        description=description,
        stages=frozenset({stage}),
        seconds=seconds,
        count=count,
        apis=apis,
    )


def _charge(name: str, description: str) -> FaultKind:
    stages, operations = frozenset({Stage.CHARGE}), frozenset({"micropay"})
    return FaultKind(name=name, description=description, stages=stages, operations=operations)


def _bill(
    name: str,
    description: str,
    *,
    apis: frozenset[Api] = _BOTH,
    operations: frozenset[str] = frozenset({"downloadbill"}),
) -> FaultKind:
    stages = frozenset({Stage.BILL})
    return FaultKind(
        name=name, description=description, stages=stages, apis=apis, operations=operations
    )


_OF_BILLS: Final = frozenset({"downloadbill", "downloadfundflow"})


# A fault of a charge replaces the behaviour of the code that was scanned.
CODE_FAULTS: Final = {
    f"code_{behaviour}": behaviour for behaviour in Behaviour if behaviour is not Behaviour.PERSON
}

CATALOGUE: Final[dict[str, FaultKind]] = {
    kind.name: kind
    for kind in (
        _answer("slow", "Carried out; the answer takes `seconds`.", seconds=3),
        _answer("answered_after_timeout", "Carried out; the answer comes too late.", seconds=20),
        _answer("timeout", "Not carried out, and never answered.", executed=False, seconds=60),
        _answer("reset", "Not carried out; the connection is reset.", executed=False),
        _answer("reset_after", "Carried out; the connection is reset."),
        _answer("http_500", "Not carried out; HTTP 500.", executed=False),
        _answer("http_502", "Not carried out; HTTP 502 with a proxy's page.", executed=False),
        _answer("html", "Not carried out; an HTML page with HTTP 200.", executed=False),
        _answer("empty", "Carried out; an empty answer with HTTP 200."),
        _answer("truncated", "Carried out; the answer breaks off half-way on the line."),
        _answer("half_xml", "Carried out; half of the document, XML or JSON, as if whole."),
        _answer("systemerror", "Not carried out; SYSTEMERROR.", executed=False),
        _answer("systemerror_after", "Carried out; SYSTEMERROR all the same."),
        _message("bad_signature", "Signed with another key."),
        _message("unsigned", "Without a signature."),
        _answer("rate_limited", "Not carried out; HTTP 429.", executed=False, apis=_V3),
        _answer("unavailable", "Not carried out; HTTP 503.", executed=False, apis=_V3),
        _answer(
            "http_202", "Not carried out; HTTP 202 USERPAYING, signed.", executed=False, apis=_V3
        ),
        _answer(
            "unknown_trade_state", "An unknown trade_state or refund status, signed.", apis=_V3
        ),
        _message("hmac_answer", "Signed with the other algorithm than the request's.", apis=_V2),
        _message("wrong_mch_id", "Signed, but about another merchant."),
        _message("wrong_appid", "Signed, but about another appid."),
        _message("extra_field", "With an unknown field, signed as it must be."),
        _message("bom", "With a byte-order mark in front."),
        _message("doctype", "With a DOCTYPE in front.", apis=_V2),
        _message("other_body", "The signature is genuine, but another body's.", apis=_V3),
        _message("signtest", "A probe: a wrong signature, on purpose.", apis=_V3),
        _message("wrong_serial", "Signed under a serial that is not listed.", apis=_V3),
        _message("stale_timestamp", "Signed ten minutes ago.", apis=_V3),
        _message("future_timestamp", "Signed in ten minutes.", apis=_V3),
        _message("no_signature_type", "Signed, but the algorithm is not named.", apis=_V3),
        _message("extra_member", "With unknown members.", apis=_V3),
        _message("shuffled_members", "With its members in another order.", apis=_V3),
        _notice("tampered_ciphertext", "Signed, but it does not open.", Stage.ATTEMPT, apis=_V3),
        _notice(
            "missing_associated_data",
            "Sealed without associated data, which it leaves out.",
            Stage.ATTEMPT,
            apis=_V3,
        ),
        _notice("bare_envelope", "Without summary and original_type.", Stage.ATTEMPT, apis=_V3),
        _notice("unknown_event", "An event_type of another product.", Stage.ATTEMPT, apis=_V3),
        _notice("wrong_amount", "A total_fee that is not the order's.", Stage.ATTEMPT),
        _notice("wrong_currency", "A fee_type that is not the order's.", Stage.ATTEMPT),
        _notice("duplicate", "Sent `count` times, one after the other.", Stage.PAYMENT, count=2),
        _notice("concurrent", "Sent `count` times at once.", Stage.PAYMENT, count=50),
        _notice("late", "Sent first after `seconds`.", Stage.PAYMENT, seconds=60),
        _notice("lost", "Paid, and no notification ever comes.", Stage.PAYMENT),
        _notice(
            "reordered",
            "Held until another payment's has been sent, at most `seconds`.",
            Stage.PAYMENT,
            seconds=60,
        ),
        _answer(
            "recall",
            "Not carried out; a reversal is answered with recall=Y.",
            executed=False,
            apis=_V2,
            operations=frozenset({"reverse"}),
        ),
        _charge("code_pays", "The customer pays, without a password below the limit."),
        _charge("code_password_pays", "USERPAYING; then the customer pays."),
        _charge("code_password_cancels", "USERPAYING; then the customer cancels."),
        _charge("code_password_ignored", "USERPAYING, and the customer never answers."),
        _charge("code_bank_error_pays", "BANKERROR; then it turns out to be paid."),
        _charge("code_bank_error_refuses", "BANKERROR; then it turns out to be refused."),
        _charge("code_not_enough", "NOTENOUGH; the customer has too little money."),
        _charge("code_expired", "AUTHCODEEXPIRE; there is no order."),
        _charge("code_system_error_pays", "Paid; SYSTEMERROR all the same."),
        _notice("not_enough", "The merchant has too little money to refund.", Stage.REFUND),
        _notice("refund_abnormal", "Accepted, and the money cannot be returned.", Stage.REFUND),
        _notice("refund_closed", "Accepted, and closed without a refund.", Stage.REFUND),
        _bill("bill_not_ready", "The bill is still being made.", operations=_OF_BILLS),
        _bill("bill_empty", "There was no business that day.", operations=_OF_BILLS),
        _bill(
            "bill_wrong_hash",
            "The digest that is stated is not the file's.",
            apis=_V3,
            operations=_OF_BILLS,
        ),
        _bill("bill_truncated", "The second half of the file is missing.", operations=_OF_BILLS),
        _bill("bill_broken_gzip", "The file's bytes are changed.", operations=_OF_BILLS),
        _bill("bill_row_missing", "The first row is missing."),
        _bill("bill_wrong_amount", "The first row's amount is one minor unit more."),
        _bill("bill_foreign_row", "With a payment that this shop never had."),
        _bill("bill_extra_columns", "With a column that nobody knows."),
        _bill("bill_old_columns", "With the 24 columns of older files."),
        _notice("before_answer", "Paid and notified before unifiedorder answers.", Stage.PLACING),
    )
}
