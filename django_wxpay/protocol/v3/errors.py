"""Error answers of APIv3: the body, and its code's row in the table of error codes.

Such an answer carries no signature (protocol-v3 sections 2.3 and 7.1), so it is a hint and
never a fact. Only ``code`` is dependable; everything else is read as far as it can be. The
gateway writes one code with and without underscores, so rows are found without them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from django_wxpay.protocol.error_codes import TABLE, UNKNOWN_CODE, ErrorCode, Verdict, refusal
from django_wxpay.protocol.errors import MalformedMessage, Refused
from django_wxpay.protocol.v3.documents import read_with_marks
from django_wxpay.protocol.v3.reading import Members, optional_text

_LONGEST_CODE: Final = 64
_LONGEST_TEXT: Final = 256
_TOO_MANY_REQUESTS: Final = 429

# The codes of protocol-v3 sections 3.9 and 4.6, by the names of their rows.
_CODES: Final = (
    "PARAM_ERROR INVALID_REQUEST APPID_MCHID_NOT_MATCH MCHID_NOT_EXIST ORDERCLOSED ORDERPAID "
    "ORDERREVERSED ORDERNOTEXIST AUTH_CODE_INVALID AUTH_CODE_ERROR AUTHCODEEXPIRE NOAUTH "
    "OUT_TRADE_NO_USED NOTENOUGH RULELIMIT TRADE_ERROR USER_ACCOUNT_ABNORMAL USERPAYING "
    "REFUNDNOTEXIST SYSTEMERROR BANKERROR BIZERR_NEED_RETRY INVALID_TRANSACTIONID TRADE_OVERDUE "
    "ACCOUNT_ERROR REQUEST_BLOCKED RESOURCE_NOT_EXISTS NOT_FOUND NO_STATEMENT_EXIST "
    "STATEMENT_CREATING OPENID_MISMATCH SERVICE_UNAVAILABLE REFUND_FEE_MISMATCH"
)
_LIMITED: Final = replace(
    TABLE["FREQUENCY_LIMITED"],
    advice="Too many calls. Wait a moment, then send the same request again; query a refund first, "
    "for it may have been accepted.",
    source="protocol-v3 section 3.9",
)
_NOT_SIGNED: Final = replace(
    TABLE["SIGNERROR"],
    advice="WeChat Pay could not verify who is calling. Compare PRIVATE_KEY and CERT_SERIAL_NO "
    "with the merchant platform (they belong together and to this mch_id), and set the clock.",
    source="protocol-v3 section 3.9",
)
# Spellings that differ from the row's by more than underscores.
_SPELLED_OTHERWISE: Final[dict[str, ErrorCode]] = {
    "MCHNOTEXISTS": TABLE["MCHID_NOT_EXIST"],
    "REFUNDNOTEXISTS": TABLE["REFUNDNOTEXIST"],
    "FREQUENCYLIMITED": _LIMITED,
    "FREQUENCYLIMITEXCEED": _LIMITED,
    "FREQENCYLIMIT": _LIMITED,
    "RATELIMITED": _LIMITED,
    "RATELIMITEXCEEDED": _LIMITED,
    "SIGNERROR": _NOT_SIGNED,
}


def normalised(code: str) -> str:
    """Return ``code`` as rows are filed: without underscores, in capitals."""
    return code.replace("_", "").upper()


V3_TABLE: Final[dict[str, ErrorCode]] = {
    normalised(code): TABLE[code] for code in _CODES.split()
} | _SPELLED_OTHERWISE

_NO_SUCH_ADDRESS: Final = (
    "WeChat Pay knows no such address. Check REGION, MODE and HOSTS: mainland and global "
    "merchants have different ones."
)
_WITHOUT_CODE: Final[dict[int, ErrorCode]] = {
    401: _NOT_SIGNED,
    404: ErrorCode("HTTP_404", Verdict.OUR_MISTAKE, _NO_SUCH_ADDRESS, "protocol-v3 section 7.1"),
    405: ErrorCode("HTTP_405", Verdict.OUR_MISTAKE, _NO_SUCH_ADDRESS, "protocol-v3 section 7.1"),
    500: TABLE["SYSTEMERROR"],
    502: TABLE["SERVICE_UNAVAILABLE"],
    503: TABLE["SERVICE_UNAVAILABLE"],
}


def lookup_v3(status: int, code: str) -> ErrorCode:
    """Return the row of ``code``, in any spelling, under the HTTP ``status`` it came with.

    Without a code the status decides. Source: protocol-v3 section 7.1.
    """
    # Every 429 is alike, whatever it is called (protocol-v3 section 11).
    if status == _TOO_MANY_REQUESTS:
        return _LIMITED
    row = V3_TABLE.get(normalised(code))
    if row is None and not code:
        row = _WITHOUT_CODE.get(status)
    shown = code.upper()[:_LONGEST_CODE] or f"HTTP_{status}"
    return row or ErrorCode(shown, Verdict.UNKNOWN, UNKNOWN_CODE, "protocol-v3 section 7.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class V3Error:
    """One error body. ``code`` is spelt as the gateway spelt it, "" where there was none."""

    status: int
    code: str = ""
    message: str = ""
    detail_text: str = ""

    @property
    def row(self) -> ErrorCode:
        return lookup_v3(self.status, self.code)

    def refusal(self) -> Refused:
        """Return the error to raise; its text says where the trouble is."""
        text = " ".join(part for part in (self.message, self.detail_text) if part)
        code = self.code or f"HTTP_{self.status}"
        return refusal(code, text[:_LONGEST_TEXT], row=self.row)


def read_error(status: int, body: bytes) -> V3Error:
    """Return what an error answer says; an empty or unreadable body says nothing. Never raises."""
    try:
        error = read_with_marks(body)
    except MalformedMessage:
        return V3Error(status=status)
    return V3Error(
        status=status,
        code=_printable(optional_text(error, "code"), _LONGEST_CODE),
        message=_printable(optional_text(error, "message"), _LONGEST_TEXT),
        detail_text=_printable(_detail_text(error), _LONGEST_TEXT),
    )


def _detail_text(error: Members) -> str:
    # detail.value is left out: it may be the payer's name or openid.
    detail = _object(error, "detail")
    issue = optional_text(detail, "issue") or optional_text(_object(detail, "detail"), "issue")
    location = optional_text(detail, "location")
    signed = _object(detail, "sign_information")
    method, url = optional_text(signed, "method"), optional_text(signed, "url")
    parts = (
        optional_text(detail, "field"),
        issue,
        f"in {location}" if location else "",
        f"(signed there: {method} {url})" if signed else "",
    )
    return " ".join(part for part in parts if part)


def _object(holder: Members, name: str) -> Members:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _printable(text: str, longest: int) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:longest]
