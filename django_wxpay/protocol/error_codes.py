"""What every error code means for what happens next: the error table as data.

One row per code: whether no is final, the same call may be repeated, the outcome has to be
asked for, or we made the mistake; and the sentence a person reads. The table is closed by
default: a code nobody has written down counts as an unknown outcome.

Sources are sections of the protocol-v2 sheet. The advice is English text for translation.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """What a refusal says about the order."""

    FINAL = "final"  # no is no; repeating the call changes nothing
    RETRY = "retry"  # the same call with the same parameters may succeed
    UNKNOWN = "unknown"  # it may have happened: ask before doing anything else
    OUR_MISTAKE = "our mistake"  # the request, the settings or the contract has to be mended


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row: ``source`` is the section of the sheet it was taken from."""

    code: str
    verdict: Verdict
    advice: str
    source: str


# No err_code came along: the request was turned down as a whole, or the business part was
# refused without a word why. These two names are ours.
RETURN_FAIL: Final = "RETURN_FAIL"
RESULT_FAIL: Final = "RESULT_FAIL"

_FINAL, _RETRY, _UNKNOWN, _OURS = Verdict

_ROWS: Final = (
    # unifiedorder, and what every operation shares
    Outcome(
        "INVALID_REQUEST",
        _OURS,
        "A parameter breaks its rule, or this order number was sent before with other "
        "parameters. Read the message; if the number is taken, query the old order, close it "
        "and use a new number.",
        "3.7",
    ),
    Outcome(
        "PARAM_ERROR", _OURS, "Correct the parameter the message names, then send again.", "3.7"
    ),
    Outcome("LACK_PARAMS", _OURS, "Add the parameter the message names, then send again.", "3.7"),
    Outcome(
        "NOAUTH",
        _OURS,
        "The merchant account lacks this product. Apply for it on the merchant platform.",
        "3.7",
    ),
    Outcome(
        "NOTENOUGH",
        _FINAL,
        "There is not enough money. Ask the payer to use another card or balance; for a refund, "
        "fund the merchant account and send the same refund number again.",
        "3.7",
    ),
    Outcome(
        "ORDERPAID",
        _FINAL,
        "The order has been paid already. Query it and compare the amount; do not charge again.",
        "3.7",
    ),
    Outcome(
        "ORDERCLOSED",
        _FINAL,
        "The order is closed and cannot be paid any more. Place it anew under a new number.",
        "3.7",
    ),
    Outcome(
        "OUT_TRADE_NO_USED",
        _FINAL,
        "Another trade uses this order number. Query that trade, then use a new number.",
        "3.7",
    ),
    Outcome(
        "SYSTEMERROR",
        _RETRY,
        "WeChat Pay is briefly out of order. Send the same request with identical parameters "
        "again; query a Quick Pay first.",
        "3.7",
    ),
    Outcome(
        "SIGNERROR",
        _OURS,
        "The signature is wrong. Compare the API key and the sign type with the merchant "
        "platform; the key has to belong to this mch_id.",
        "3.7",
    ),
    Outcome(
        "APPID_NOT_EXIST",
        _OURS,
        "Correct the appid in the settings: WeChat Pay knows no such appid.",
        "3.7",
    ),
    Outcome(
        "MCHID_NOT_EXIST",
        _OURS,
        "Correct the mch_id or sub_mch_id: WeChat Pay knows no such merchant.",
        "3.7",
    ),
    Outcome(
        "APPID_MCHID_NOT_MATCH",
        _OURS,
        "Bind the appid to the mch_id on the merchant platform, or correct one of them.",
        "3.7",
    ),
    Outcome(
        "XML_FORMAT_ERROR",
        _OURS,
        "The request was not readable XML. Tell the developers the time of the call.",
        "3.7",
    ),
    Outcome(
        "REQUIRE_POST_METHOD",
        _OURS,
        "The request did not arrive as a POST. Look for a proxy that redirects or rewrites calls.",
        "3.7",
    ),
    Outcome(
        "POST_DATA_EMPTY",
        _OURS,
        "The request arrived without its body. Look for a proxy that redirects or rewrites calls.",
        "3.7",
    ),
    Outcome(
        "NOT_UTF8",
        _OURS,
        "The request did not arrive in UTF-8. Look for a proxy that converts encodings.",
        "3.7",
    ),
    Outcome(
        "FREQUENCY_LIMITED",
        _RETRY,
        "Too many calls. Wait a moment, then send the same request again.",
        "3.7",
    ),
    Outcome(
        "FREQ_LIMIT",
        _RETRY,
        "Too many calls. Wait a moment, then send the same request again.",
        "3.7",
    ),
    Outcome(
        RETURN_FAIL,
        _OURS,
        "WeChat Pay turned the request down before looking at the order. Read its message; most "
        "often the API key, the mch_id, the appid or a required parameter is wrong.",
        "3.7",
    ),
    Outcome(
        RESULT_FAIL,
        _UNKNOWN,
        "WeChat Pay refused without giving a code. Query the order before doing anything else.",
        "3.6",
    ),
    # orderquery and closeorder
    Outcome(
        "ORDERNOTEXIST",
        _FINAL,
        "WeChat Pay knows no such order. If it was placed a moment ago, ask once more; then check "
        "the order number and the merchant.",
        "5.4",
    ),
    Outcome(
        "268447845",
        _OURS,
        "The order belongs to another sub-merchant. Correct the sub_mch_id.",
        "5.4",
    ),
    Outcome(
        "TRADE_STATE_ERROR",
        _UNKNOWN,
        "The order is in a state that does not allow this. Query it to learn its state.",
        "6.1",
    ),
    # micropay
    Outcome(
        "BANKERROR",
        _UNKNOWN,
        "The bank has not answered clearly. Query the order; hand nothing over before it is paid.",
        "6.2",
    ),
    Outcome(
        "USERPAYING",
        _UNKNOWN,
        "The payer is entering the password. Query every few seconds until the order is decided.",
        "6.2",
    ),
    Outcome(
        "AUTHCODEEXPIRE",
        _FINAL,
        "The payment code has expired. Ask the payer to show a fresh one.",
        "6.2",
    ),
    Outcome("AUTH_CODE_ERROR", _FINAL, "The payment code was read wrongly. Scan it again.", "6.2"),
    Outcome(
        "AUTH_CODE_INVALID",
        _FINAL,
        "This is no WeChat payment code. Ask the payer to open Money in WeChat and scan that code.",
        "6.2",
    ),
    Outcome(
        "NOTSUPORTCARD",
        _FINAL,
        "This card cannot be used here. Ask the payer to choose another one.",
        "6.2",
    ),
    Outcome(
        "ORDERREVERSED",
        _FINAL,
        "The order has been reversed. Charge again under a new number.",
        "6.2",
    ),
    Outcome(
        "BUYER_MISMATCH",
        _FINAL,
        "The same order has to be paid by the same person. Use a new number for another payer.",
        "6.2",
    ),
    Outcome(
        "TRADE_ERROR",
        _FINAL,
        "The trade cannot go on. Read the message; the payer may have to act in WeChat first.",
        "6.2",
    ),
    Outcome(
        "RULELIMIT",
        _FINAL,
        "WeChat Pay's risk rules or a limit stop this payment. Ask for another way to pay.",
        "6.2",
    ),
    # reverse
    Outcome(
        "INVALID_TRANSACTIONID",
        _OURS,
        "The transaction_id is not one of WeChat Pay's. Correct it or use the order number.",
        "6.3",
    ),
    Outcome(
        "REVERSE_EXPIRE", _FINAL, "The time to reverse the order is over. Refund it instead.", "6.3"
    ),
    # refund
    Outcome(
        "BIZERR_NEED_RETRY",
        _RETRY,
        "WeChat Pay is busy. Send the same refund number with the same amounts again in a while.",
        "6.4",
    ),
    Outcome(
        "TRADE_OVERDUE",
        _FINAL,
        "The payment is more than a year old. Return the money some other way.",
        "6.4",
    ),
    Outcome(
        "ERROR", _FINAL, "WeChat Pay refused for the reason in its message. Act on that.", "6.4"
    ),
    Outcome(
        "USER_ACCOUNT_ABNORMAL",
        _FINAL,
        "The payer's account is closed or frozen. Return the money some other way.",
        "6.4",
    ),
    Outcome(
        "INVALID_REQ_TOO_MUCH",
        _OURS,
        "Too many wrong requests. Wait a minute and correct the request before sending again.",
        "6.4",
    ),
    Outcome(
        "NOT_ENOUGH",
        _FINAL,
        "The merchant's available balance is too low. Fund it, then send the same refund number "
        "again.",
        "6.4",
    ),
    Outcome(
        "OUT_REFUND_NO_USED",
        _FINAL,
        "This refund number was used with other data. Query that refund before making another.",
        "6.4",
    ),
    # refundquery
    Outcome(
        "REFUNDNOTEXIST",
        _FINAL,
        "WeChat Pay knows no such refund. Check the refund number and the merchant.",
        "6.5",
    ),
)

TABLE: Final[dict[str, Outcome]] = {row.code: row for row in _ROWS}

_UNHEARD_OF: Final = (
    "This code is not in our table. Query the order before doing anything else, and read the "
    "message that came with it."
)


def outcome_of(err_code: str) -> Outcome:
    """Return the row of ``err_code``; a code without one counts as an unknown outcome."""
    return TABLE.get(err_code) or Outcome(err_code, Verdict.UNKNOWN, _UNHEARD_OF, "3.7")
