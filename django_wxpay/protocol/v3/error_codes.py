"""What APIv3's error codes mean, in the words that v2 has for them.

One row per code, found under its spelling without underscores in capitals, for the gateway
writes the same code with and without (protocol-v3 sections 3.9, 4.6 and 7.1). Where v2 has a
word for the same thing the row bears that word and its advice, so that nobody above can tell
which protocol said no. A code without a row counts as an unknown outcome.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from django_wxpay.protocol.error_codes import TABLE, Outcome, Verdict

_LONGEST_CODE: Final = 64


def normalised(code: str) -> str:
    """Return ``code`` as rows are filed: without underscores, in capitals."""
    return code.replace("_", "").upper()


def outcome_of_v3(status: int, code: str) -> Outcome:
    """Return the row of ``code``, in any spelling, under the HTTP ``status`` it came with.

    Every 429 is alike; without a code the status speaks. The row's ``code`` is the err_code
    that everybody above is shown.
    """
    if status == _TOO_MANY_REQUESTS:
        return V3_OUTCOMES["FREQUENCYLIMITED"]
    row = V3_OUTCOMES.get(normalised(code))
    if row is None and not code:
        row = _WITHOUT_CODE.get(status)
    shown = code.upper()[:_LONGEST_CODE] or f"HTTP_{status}"
    return row or Outcome(shown, Verdict.UNKNOWN, _UNHEARD_OF, "v3 7.1")


_TOO_MANY_REQUESTS: Final = 429
_UNHEARD_OF: Final = (
    "This code is not in our table. Query the order before doing anything else, and read the "
    "message that came with it."
)

_FINAL, _RETRY, _UNKNOWN, _OURS = Verdict

# v2's word -> the further spellings of v3, and the section they stand in.
_SHARED: Final[dict[str, tuple[str, str]]] = {
    "PARAM_ERROR": ("", "3.9"),
    "INVALID_REQUEST": ("", "3.9"),
    "APPID_MCHID_NOT_MATCH": ("", "3.9"),
    "MCHID_NOT_EXIST": ("MCH_NOT_EXISTS", "3.9"),
    "ORDERCLOSED": ("ORDER_CLOSED", "3.9"),
    "ORDERPAID": ("ORDER_PAID", "3.9"),
    "ORDERREVERSED": ("ORDER_REVERSED", "3.9"),
    "ORDERNOTEXIST": ("ORDER_NOT_EXIST", "3.9"),
    "AUTH_CODE_INVALID": ("", "3.9"),
    "AUTH_CODE_ERROR": ("", "3.9"),
    "AUTHCODEEXPIRE": ("AUTH_CODE_EXPIRE", "3.9"),
    "NOAUTH": ("NO_AUTH", "3.9"),
    "OUT_TRADE_NO_USED": ("", "3.9"),
    "NOTENOUGH": ("NOT_ENOUGH", "3.9"),
    "RULELIMIT": ("RULE_LIMIT", "3.9"),
    "TRADE_ERROR": ("", "3.9"),
    "USER_ACCOUNT_ABNORMAL": ("", "3.9"),
    "USERPAYING": ("", "3.9"),
    "REFUNDNOTEXIST": ("REFUND_NOT_EXISTS", "3.9"),
    "SYSTEMERROR": ("SYSTEM_ERROR", "3.9"),
    "BANKERROR": ("BANK_ERROR", "3.9"),
    "BIZERR_NEED_RETRY": ("BIZ_ERR_NEED_RETRY", "3.9"),
    "INVALID_TRANSACTIONID": ("", "3.9"),
    "TRADE_OVERDUE": ("", "4.6"),
}

_FREQUENCY_SPELLINGS: Final = (
    "FREQUENCY_LIMITED FREQUENCY_LIMIT_EXCEED FREQENCY_LIMIT RATE_LIMITED RATELIMIT_EXCEEDED"
)
_ROWS: Final = (
    Outcome(
        "FREQUENCY_LIMITED",
        _RETRY,
        "Too many calls. Wait a moment, then send the same request again; query a refund first, "
        "for it may have been accepted.",
        "v3 3.9",
    ),
    Outcome(
        "SIGNERROR",
        _OURS,
        "WeChat Pay could not verify who is calling. Compare PRIVATE_KEY and CERT_SERIAL_NO with "
        "the merchant platform (they belong together and to this mch_id), and set the clock.",
        "v3 3.9",
    ),
    Outcome(
        "ACCOUNT_ERROR",
        _FINAL,
        "The account cannot be used for this. Read the message and act on it; nothing is repeated "
        "by itself.",
        "v3 3.9",
    ),
    Outcome(
        "REQUEST_BLOCKED",
        _FINAL,
        "WeChat Pay stopped this request. Read the message; asking again changes nothing.",
        "v3 3.9",
    ),
    Outcome(
        "RESOURCE_NOT_EXISTS",
        _FINAL,
        "WeChat Pay knows nothing under this number: an order that does not exist or is not paid, "
        "a refund that was not accepted, or an account without platform certificates.",
        "v3 3.9",
    ),
    Outcome(
        "NOT_FOUND",
        _FINAL,
        "WeChat Pay has nothing here. An account without platform certificates needs "
        "WECHATPAY_PUBLIC_KEY and WECHATPAY_PUBLIC_KEY_ID.",
        "v3 3.9",
    ),
    Outcome(
        "NO_STATEMENT_EXIST", _FINAL, "There was no business on that day, so no bill.", "v3 3.9"
    ),
    Outcome(
        "STATEMENT_CREATING",
        _RETRY,
        "The bill is not ready yet. Ask again in half an hour, after ten in the morning.",
        "v3 3.9",
    ),
    Outcome(
        "OPENID_MISMATCH",
        _OURS,
        "The openid is not one of this appid's. Correct the openid or the appid it belongs to.",
        "v3 3.9",
    ),
    Outcome(
        "SERVICE_UNAVAILABLE",
        _RETRY,
        "WeChat Pay is overloaded or down. Send the same request again in a while.",
        "v3 3.9",
    ),
    Outcome(
        "REFUND_FEE_MISMATCH",
        _OURS,
        "This refund number was sent before with another amount. Query that refund before making "
        "another.",
        "v3 4.6",
    ),
)


def _table() -> dict[str, Outcome]:
    table = {normalised(row.code): row for row in _ROWS}
    for code, (spelling, section) in _SHARED.items():
        row = replace(TABLE[code], source=f"v3 {section}")
        table |= {normalised(code): row, normalised(spelling or code): row}
    limited = table["FREQUENCYLIMITED"]
    return table | {normalised(code): limited for code in _FREQUENCY_SPELLINGS.split()}


V3_OUTCOMES: Final[dict[str, Outcome]] = _table()

_NO_SUCH_ADDRESS: Final = (
    "WeChat Pay knows no such address. Check REGION, MODE and HOSTS: mainland and global "
    "merchants have different ones."
)
_WITHOUT_CODE: Final[dict[int, Outcome]] = {
    401: V3_OUTCOMES["SIGNERROR"],
    404: Outcome("HTTP_404", _OURS, _NO_SUCH_ADDRESS, "v3 7.1"),
    405: Outcome("HTTP_405", _OURS, _NO_SUCH_ADDRESS, "v3 7.1"),
    500: V3_OUTCOMES["SYSTEMERROR"],
    502: V3_OUTCOMES["SERVICEUNAVAILABLE"],
    503: V3_OUTCOMES["SERVICEUNAVAILABLE"],
}
