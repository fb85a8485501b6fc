"""The table of error codes: one row a code, for both protocols.

A row says whether the refusal is final, whether the same call may be repeated, whether the
outcome has to be queried, or whether we made the mistake, and gives the sentence that a person
reads. The table is closed by default: a code without a row counts as an unknown outcome. The
advice is English text for translation.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django_wxpay.protocol.errors import OrderClosed, OrderPaid, Refused


class Verdict(StrEnum):
    """What a refusal means for the order."""

    FINAL = "final"  # no is no; repeating the call changes nothing
    RETRY = "retry"  # the same call with the same parameters may succeed
    UNKNOWN = "unknown"  # it may have happened: query before doing anything else
    OUR_MISTAKE = "our mistake"  # the request, the settings or the contract has to be corrected


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One row. ``code`` is v2's word where v2 has one, ``source`` the section it was taken from.

    ``is_busy``: WeChat Pay is out of order for a moment, so the call is repeated once by itself.
    """

    code: str
    verdict: Verdict
    advice: str
    source: str
    is_busy: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the refusal is WeChat Pay's last word: it has done nothing, and would not."""
        return self.verdict in {Verdict.FINAL, Verdict.OUR_MISTAKE}


# No err_code came along: the request was refused as a whole, or the business part was refused
# without a reason. These two names are ours.
RETURN_FAIL: Final = "RETURN_FAIL"
RESULT_FAIL: Final = "RESULT_FAIL"

_FINAL, _RETRY, _UNKNOWN, _OURS = Verdict

_ROWS: Final = (
    # unifiedorder, and what every operation shares
    ErrorCode(
        "INVALID_REQUEST",
        _OURS,
        "A parameter breaks its rule, or this order number was sent before with other "
        "parameters. Read the message; if the number is taken, query the old order, close it "
        "and use a new number.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "PARAM_ERROR",
        _OURS,
        "Correct the parameter the message names, then send again.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "LACK_PARAMS",
        _OURS,
        "Add the parameter the message names, then send again.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "NOAUTH",
        _OURS,
        "The merchant account lacks this product. Apply for it on the merchant platform.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "NOTENOUGH",
        _FINAL,
        "There is not enough money. Ask the payer to use another card or balance; for a refund, "
        "fund the merchant account and send the same refund number again.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "ORDERPAID",
        _FINAL,
        "The order has been paid already. Query it and compare the amount; do not charge again.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "ORDERCLOSED",
        _FINAL,
        "The order is closed and cannot be paid any more. Place it anew under a new number.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "OUT_TRADE_NO_USED",
        _FINAL,
        "Another trade uses this order number. Query that trade, then use a new number.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "SYSTEMERROR",
        _RETRY,
        "WeChat Pay is briefly out of order. Send the same request with identical parameters "
        "again; query a Quick Pay first.",
        "protocol-v2 section 3.7",
        is_busy=True,
    ),
    ErrorCode(
        "SIGNERROR",
        _OURS,
        "The signature is wrong. Compare the API key and the sign type with the merchant "
        "platform; the key has to belong to this mch_id.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "APPID_NOT_EXIST",
        _OURS,
        "Correct the appid in the settings: WeChat Pay knows no such appid.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "MCHID_NOT_EXIST",
        _OURS,
        "Correct the mch_id or sub_mch_id: WeChat Pay knows no such merchant.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "APPID_MCHID_NOT_MATCH",
        _OURS,
        "Bind the appid to the mch_id on the merchant platform, or correct one of them.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "XML_FORMAT_ERROR",
        _OURS,
        "The request was not readable XML. Tell the developers the time of the call.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "REQUIRE_POST_METHOD",
        _OURS,
        "The request did not arrive as a POST. Look for a proxy that redirects or rewrites calls.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "POST_DATA_EMPTY",
        _OURS,
        "The request arrived without its body. Look for a proxy that redirects or rewrites calls.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "NOT_UTF8",
        _OURS,
        "The request did not arrive in UTF-8. Look for a proxy that converts encodings.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        "FREQUENCY_LIMITED",
        _RETRY,
        "Too many calls. Wait a moment, then send the same request again.",
        "protocol-v2 section 3.7",
        is_busy=True,
    ),
    ErrorCode(
        "FREQ_LIMIT",
        _RETRY,
        "Too many calls. Wait a moment, then send the same request again.",
        "protocol-v2 section 3.7",
        is_busy=True,
    ),
    ErrorCode(
        RETURN_FAIL,
        _OURS,
        "WeChat Pay turned the request down before looking at the order. Read its message; most "
        "often the API key, the mch_id, the appid or a required parameter is wrong.",
        "protocol-v2 section 3.7",
    ),
    ErrorCode(
        RESULT_FAIL,
        _UNKNOWN,
        "WeChat Pay refused without giving a code. Query the order before doing anything else.",
        "protocol-v2 section 3.6",
    ),
    # orderquery and closeorder
    ErrorCode(
        "ORDERNOTEXIST",
        _FINAL,
        "WeChat Pay knows no such order. If it was placed a moment ago, ask once more; then check "
        "the order number and the merchant.",
        "protocol-v2 section 5.4",
    ),
    ErrorCode(
        "268447845",
        _OURS,
        "The order belongs to another sub-merchant. Correct the sub_mch_id.",
        "protocol-v2 section 5.4",
    ),
    ErrorCode(
        "TRADE_STATE_ERROR",
        _UNKNOWN,
        "The order is in a state that does not allow this. Query it to learn its state.",
        "protocol-v2 section 6.1",
    ),
    # micropay
    ErrorCode(
        "BANKERROR",
        _UNKNOWN,
        "The bank has not answered clearly. Query the order; hand nothing over before it is paid.",
        "protocol-v2 section 6.2",
    ),
    ErrorCode(
        "USERPAYING",
        _UNKNOWN,
        "The payer is entering the password. Query every few seconds until the order is decided.",
        "protocol-v2 section 6.2",
    ),
    ErrorCode(
        "AUTHCODEEXPIRE",
        _FINAL,
        "The payment code has expired. Ask the payer to show a fresh one.",
        "protocol-v2 section 6.2",
    ),
    ErrorCode(
        "AUTH_CODE_ERROR",
        _FINAL,
        "The payment code was read wrongly. Scan it again.",
        "protocol-v2 section 6.2",
    ),
    ErrorCode(
        "AUTH_CODE_INVALID",
        _FINAL,
        "This is no WeChat payment code. Ask the payer to open Money in WeChat and scan that code.",
        "protocol-v2 section 6.2",
    ),
    ErrorCode(
        "NOTSUPORTCARD",
        _FINAL,
        "This card cannot be used here. Ask the payer to choose another one.",
        "protocol-v2 section 6.2",
    ),
    ErrorCode(
        "ORDERREVERSED",
        _FINAL,
        "The order has been reversed. Charge again under a new number.",
        "protocol-v2 section 6.2",
    ),
    ErrorCode(
        "BUYER_MISMATCH",
        _FINAL,
        "The same order has to be paid by the same person. Use a new number for another payer.",
        "protocol-v2 section 6.2",
    ),
    ErrorCode(
        "TRADE_ERROR",
        _FINAL,
        "The trade cannot go on. Read the message; the payer may have to act in WeChat first.",
        "protocol-v2 section 6.2",
    ),
    ErrorCode(
        "RULELIMIT",
        _FINAL,
        "WeChat Pay's risk rules or a limit stop this payment. Ask for another way to pay.",
        "protocol-v2 section 6.2",
    ),
    # reverse
    ErrorCode(
        "INVALID_TRANSACTIONID",
        _OURS,
        "The transaction_id is not one of WeChat Pay's. Correct it or use the order number.",
        "protocol-v2 section 6.3",
    ),
    ErrorCode(
        "REVERSE_EXPIRE",
        _FINAL,
        "The time to reverse the order is over. Refund it instead.",
        "protocol-v2 section 6.3",
    ),
    # refund
    ErrorCode(
        "BIZERR_NEED_RETRY",
        _RETRY,
        "WeChat Pay is busy. Send the same refund number with the same amounts again in a while.",
        "protocol-v2 section 6.4",
        is_busy=True,
    ),
    ErrorCode(
        "TRADE_OVERDUE",
        _FINAL,
        "The payment is more than a year old. Return the money some other way.",
        "protocol-v2 section 6.4",
    ),
    ErrorCode(
        "ERROR",
        _FINAL,
        "WeChat Pay refused for the reason in its message. Act on that.",
        "protocol-v2 section 6.4",
    ),
    ErrorCode(
        "USER_ACCOUNT_ABNORMAL",
        _FINAL,
        "The payer's account is closed or frozen. Return the money some other way.",
        "protocol-v2 section 6.4",
    ),
    ErrorCode(
        "INVALID_REQ_TOO_MUCH",
        _OURS,
        "Too many wrong requests. Wait a minute and correct the request before sending again.",
        "protocol-v2 section 6.4",
    ),
    ErrorCode(
        "NOT_ENOUGH",
        _FINAL,
        "The merchant's available balance is too low. Fund it, then send the same refund number "
        "again.",
        "protocol-v2 section 6.4",
    ),
    ErrorCode(
        "OUT_REFUND_NO_USED",
        _FINAL,
        "This refund number was used with other data. Query that refund before making another.",
        "protocol-v2 section 6.4",
    ),
    # refundquery
    ErrorCode(
        "REFUNDNOTEXIST",
        _FINAL,
        "WeChat Pay knows no such refund. Check the refund number and the merchant.",
        "protocol-v2 section 6.5",
    ),
    # APIv3 alone
    ErrorCode(
        "ACCOUNT_ERROR",
        _FINAL,
        "The account cannot be used for this. Read the message and act on it; nothing is repeated "
        "by itself.",
        "protocol-v3 section 3.9",
    ),
    ErrorCode(
        "REQUEST_BLOCKED",
        _FINAL,
        "WeChat Pay stopped this request. Read the message; asking again changes nothing.",
        "protocol-v3 section 3.9",
    ),
    ErrorCode(
        "RESOURCE_NOT_EXISTS",
        _FINAL,
        "WeChat Pay knows nothing under this number: an order that does not exist or is not paid, "
        "a refund that was not accepted, or an account without platform certificates.",
        "protocol-v3 section 3.9",
    ),
    ErrorCode(
        "NOT_FOUND",
        _FINAL,
        "WeChat Pay has nothing here. An account without platform certificates needs "
        "WECHATPAY_PUBLIC_KEY and WECHATPAY_PUBLIC_KEY_ID.",
        "protocol-v3 section 3.9",
    ),
    ErrorCode(
        "NO_STATEMENT_EXIST",
        _FINAL,
        "There was no business on that day, so no bill.",
        "protocol-v3 section 3.9",
    ),
    ErrorCode(
        "STATEMENT_CREATING",
        _RETRY,
        "The bill is not ready yet. Ask again in half an hour, after ten in the morning.",
        "protocol-v3 section 3.9",
    ),
    ErrorCode(
        "OPENID_MISMATCH",
        _OURS,
        "The openid is not one of this appid's. Correct the openid or the appid it belongs to.",
        "protocol-v3 section 3.9",
    ),
    ErrorCode(
        "SERVICE_UNAVAILABLE",
        _RETRY,
        "WeChat Pay is overloaded or down. Send the same request again in a while.",
        "protocol-v3 section 3.9",
        is_busy=True,
    ),
    ErrorCode(
        "REFUND_FEE_MISMATCH",
        _OURS,
        "This refund number was sent before with another amount. Query that refund before making "
        "another.",
        "protocol-v3 section 4.6",
    ),
)

TABLE: Final[dict[str, ErrorCode]] = {row.code: row for row in _ROWS}

UNKNOWN_CODE: Final = (
    "This code is not in our table. Query the order before doing anything else, and read the "
    "message that came with it."
)

# The refusals that a program tells apart by class.
_CLASSES: Final[dict[str, type[Refused]]] = {"ORDERPAID": OrderPaid, "ORDERCLOSED": OrderClosed}


def lookup(code: str) -> ErrorCode:
    """Return the row of ``code``; a code without one counts as an unknown outcome."""
    unknown = ErrorCode(code, Verdict.UNKNOWN, UNKNOWN_CODE, "protocol-v2 section 3.7")
    return TABLE.get(code) or unknown


# Texts of a refusal as a whole, and the code that says the same. They are no part of the protocol,
# so the advice alone follows them, and never what is done (protocol-v2 section 3.9).
RETURN_MESSAGES: Final[dict[str, str]] = {
    "签名错误": "SIGNERROR",
    "appid不存在": "APPID_NOT_EXIST",
    "商户号mch_id或sub_mch_id不存在": "MCHID_NOT_EXIST",
    "缺少参数": "LACK_PARAMS",
    "XML格式错误": "XML_FORMAT_ERROR",
}


def advice_for(row: ErrorCode, text: str) -> str:
    """Return the advice of ``row``; of a refusal without a code, that on the ``text`` it has."""
    if row.code == RETURN_FAIL:
        known = (code for words, code in RETURN_MESSAGES.items() if words in text)
        row = TABLE[next(known, RETURN_FAIL)]
    return row.advice


def refusal(err_code: str, err_code_des: str = "", *, row: ErrorCode | None = None) -> Refused:
    """Return the error to raise for ``err_code``, which is spelt as the gateway spelt it.

    ``row`` is its row of the table, by default the one found under v2's spelling.
    """
    found = row or lookup(err_code)
    kind = _CLASSES.get(found.code, Refused)
    return kind(err_code, err_code_des, advice_for(found, err_code_des), kind=found.code)
