"""The one tree of errors.

It stands below everything so that every layer may raise its branch; users import it
from ``django_wxpay.exceptions``::

    WXPayError
    ├── ConfigurationError      the settings are wrong
    │   └── UnknownMerchant     no such alias in them
    ├── InvalidParameter        refused before any call; names the field
    │   ├── InvalidOrder        of an order
    │   └── InvalidRefund       of a refund
    │       └── NotRefundable   the order is not paid, or there is not so much left of it
    ├── OrderConflict           the same out_trade_no with other parameters
    ├── RefundConflict          the same out_refund_no with another amount or order
    ├── InsideTransaction       a call on the network was asked for while a transaction is open
    ├── Refused                 the answer is no
    │   ├── OrderPaid           because the order is paid
    │   └── OrderClosed         because the order is closed
    ├── OutcomeUnknown          no trustworthy answer: the order may or may not exist
    │   ├── OrderBusy           another call works on the order; WeChat Pay was not asked
    │   └── BadAnswer           an answer came that cannot be read
    │       └── BadSignature    an answer came that is not WeChat Pay's, or not for us
    ├── BillNotReady            the bill is not made yet: try later
    ├── InvalidBill             a bill that cannot be read; names its line and column
    ├── BillStorageError        the storage does not take a bill, or give it back
    ├── MalformedMessage        a document the codec refuses
    │   └── MessageTooLarge
    └── NotAuthentic            a notification that WeChat Pay did not send to us

No message of any of them holds a key.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from django_wxpay.protocol.sentences import sentence
from django_wxpay.protocol.sentences import sentence as _

_PUBLIC_MODULE: Final = "django_wxpay.exceptions"


class WXPayError(Exception):
    """Root of everything this package raises on purpose."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # Tracebacks and logs name a class by the module that users import it from.
        if cls.__module__ == __name__:
            cls.__module__ = _PUBLIC_MODULE


WXPayError.__module__ = _PUBLIC_MODULE


class ConfigurationError(WXPayError):
    """The ``WXPAY`` settings are missing something or hold something wrong."""


class UnknownMerchant(ConfigurationError):
    """An alias that ``WXPAY["MERCHANTS"]`` does not hold."""


class InvalidParameter(WXPayError, ValueError):
    """A parameter breaks its rule; nothing was written and nothing was sent.

    ``field`` is the parameter's wire name, ``problem`` what is wrong with the value
    given, ``rule`` what would have been right.
    """

    def __init__(self, field: str, problem: str, rule: str = "") -> None:
        self.field = field
        self.problem = problem
        self.rule = rule
        form = _("%(field)s: %(problem)s")
        if rule:
            form = _("%(field)s: %(problem)s (rule: %(rule)s)")
        super().__init__(sentence(form, field=field, problem=problem, rule=rule))


class InvalidOrder(InvalidParameter):
    """A parameter of an order breaks its rule."""


class InvalidRefund(InvalidParameter):
    """A parameter of a refund breaks its rule."""


class NotRefundable(InvalidRefund):
    """The order is not paid, or less is left of it than the refund; nothing was sent.

    ``refundable`` is what can be refunded now, in minor units.
    """

    def __init__(self, problem: str, rule: str = "", *, refundable: int) -> None:
        self.refundable = refundable
        super().__init__("refund_fee", problem, rule)

    def __reduce__(self) -> tuple[object, ...]:
        return partial(NotRefundable, refundable=self.refundable), (self.problem, self.rule)


class OrderConflict(WXPayError):
    """An order with this number exists and its parameters differ; ``fields`` names them.

    ``fields`` is empty where the caller's own transaction cannot see that order yet.
    """

    def __init__(self, out_trade_no: str, fields: tuple[str, ...] = ()) -> None:
        self.out_trade_no = out_trade_no
        self.fields = fields
        form = _("order %(number)s exists already")
        if fields:
            form = _("order %(number)s exists with other parameters: %(names)s differ")
        super().__init__(sentence(form, number=out_trade_no, names=", ".join(fields)))


class RefundConflict(WXPayError):
    """A refund with this number exists and is another one; ``fields`` names what differs."""

    def __init__(self, out_refund_no: str, fields: tuple[str, ...] = ()) -> None:
        self.out_refund_no = out_refund_no
        self.fields = fields
        form = _("refund %(number)s exists already")
        if fields:
            form = _("refund %(number)s exists with other parameters: %(names)s differ")
        super().__init__(sentence(form, number=out_refund_no, names=", ".join(fields)))


class InsideTransaction(WXPayError, RuntimeError):
    """The network was about to be used while a database transaction is open."""


class Refused(WXPayError):
    """The call is refused: by WeChat Pay, or here without asking for an order known to be over.

    ``err_code`` is spelt as the gateway spelt it (``NO_AUTH`` from v3, ``NOAUTH`` from v2),
    ``kind`` is the row of ``protocol.error_codes``, the same for both protocols: branch on that.
    ``err_code_des`` is the gateway's text, ``advice`` a sentence about what a person can do.
    ``out_refund_no`` is the refund that was asked for, "" for another call. ``may_have_arrived``
    where another host was sent the same before, and has not answered: there it may yet be done.
    """

    out_refund_no = ""
    may_have_arrived = False

    def __init__(
        self, err_code: str, err_code_des: str = "", advice: str = "", *, kind: str = ""
    ) -> None:
        self.err_code = err_code
        self.err_code_des = err_code_des
        self.advice = advice
        self.kind = kind or err_code
        # The arguments as they came, so that the error survives pickling.
        super().__init__(err_code, err_code_des, advice)

    def __str__(self) -> str:
        reason = f"{self.err_code}: {self.err_code_des}" if self.err_code_des else self.err_code
        return f"{reason.rstrip('.')}. {self.advice}" if self.advice else reason


class OrderPaid(Refused):
    """The order is paid, so it can be neither placed nor closed."""


class OrderClosed(Refused):
    """The order is closed or reversed, so it cannot be paid any more."""


class OutcomeUnknown(WXPayError):
    """No trustworthy answer came. The order may or may not exist; calling again is safe.

    Not so after ``call`` and ``call_v2`` that are not ``idempotent``, where twice may be two of
    it: it may have been done, and the text says so. Ask for it under its own number.
    ``out_refund_no`` is the refund that was asked for, "" for another call: ask for it again
    under the same number.
    """

    out_refund_no = ""


class OrderBusy(OutcomeUnknown):
    """Another call works on the order, or on the refund. This one has asked WeChat Pay nothing.

    Ask again in a few seconds. The other call's lease ends by itself where its process has died.
    """


class BadAnswer(OutcomeUnknown):
    """An answer came that is no WeChat Pay document (HTML, truncated, empty, unknown words)."""


class BadSignature(BadAnswer):
    """An answer came whose signature, merchant or appid is not the one that was asked."""


class BillNotReady(WXPayError):
    """WeChat Pay has not made the bill yet; it is ready after 10:00 in Beijing the next day."""


class InvalidBill(WXPayError, ValueError):
    """A bill that cannot be read. Nothing of it was applied.

    ``file`` is its name, ``line`` counts from 1, ``column`` is the name of its column or "".
    """

    def __init__(self, problem: str, *, file: str = "", line: int = 0, column: str = "") -> None:
        self.problem = problem
        self.file = file
        self.line = line
        self.column = column
        places = [file, f"line {line}" if line else "", f"column {column}" if column else ""]
        where = ", ".join(filter(None, places))
        super().__init__(f"{where}: {problem}" if where else problem)

    def __reduce__(self) -> tuple[object, ...]:
        make = partial(InvalidBill, file=self.file, line=self.line, column=self.column)
        return make, (self.problem,)


class BillStorageError(WXPayError):
    """The storage does not take a bill, or does not give it back; nothing half is kept."""


class MalformedMessage(WXPayError, ValueError):
    """A document the codec refuses; the text names the rule it broke."""


class MessageTooLarge(MalformedMessage):
    """A document larger than its protocol allows."""


class NotAuthentic(WXPayError):
    """A notification whose signature or identity shows that it is not from WeChat Pay to us.

    ``cause`` is a word for programs: "WRONG" for a signature, or that of another check.
    """

    def __init__(self, problem: str, *, cause: str = "WRONG") -> None:
        self.cause = cause
        super().__init__(problem)
