"""Check of every host of a merchant: whether it answers, and whether the keys are right.

Each host is queried for an order that cannot exist, and "no such order" is the good answer:
the host was reached and accepted our signature. v2 signs it, so it proves WeChat Pay's key as
well. v3 signs no refusal, so where platform certificates are used they are downloaded too:
``API_V3_KEY`` has to decrypt that answer, and one of them has to have signed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from django_wxpay.gateway import Busy, CallRecord, V2Gateway, V3Gateway
from django_wxpay.protocol.error_codes import RETURN_FAIL, RETURN_MESSAGES
from django_wxpay.protocol.errors import (
    BadSignature,
    ConfigurationError,
    OutcomeUnknown,
    Refused,
)
from django_wxpay.protocol.merchants import Api, Merchant, Mode
from django_wxpay.protocol.orders import OrderRef
from django_wxpay.protocol.v3.certificates import NO_CERTIFICATES
from django_wxpay.services import clock, gateways
from django_wxpay.services.doctor.findings import (
    Finding,
    Level,
    Subject,
    advice_for_failure,
    one_line,
)

_NO_SUCH_ORDER: Final = "ORDERNOTEXIST"
# The answer to a wrong signature, which WeChat Pay checks before it looks for the order.
_WRONG_SIGNATURE: Final = "SIGNERROR"
# The words for it where there is no code (protocol-v2 section 3.9), in either language.
_SIGNATURE_WORDS: Final = ("签名", "signature", "sign error", "signerror")
_SET_THE_PUBLIC_KEY: Final = (
    "WeChat Pay has no platform certificates for this merchant: set WECHATPAY_PUBLIC_KEY and "
    "WECHATPAY_PUBLIC_KEY_ID from the merchant platform."
)
_COMPARE_KEYS: Final = {
    Api.V2: "Compare API_KEY, SIGN_TYPE and MCH_ID with the merchant platform: the key (v2) has "
    "to be this merchant's. If they are right, the answers are changed on their way to this "
    "machine.",
    Api.V3: "Compare API_V3_KEY, WECHATPAY_PUBLIC_KEY and its id with the merchant platform, and "
    "this machine's clock with the time. If they are right, the answers are changed on their way "
    "to this machine.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One merchant's query at one host over one protocol, with its recorded ``attempts``."""

    account: Merchant
    host: str
    api: Api
    attempts: list[CallRecord] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{urlsplit(self.host).netloc} (API {self.api})"

    def finding(self, subject: Subject, level: Level, message: str, advice: str = "") -> Finding:
        return Finding(
            merchant=self.account.alias,
            subject=subject,
            level=level,
            message=f"{self.name} {message}.",
            advice=advice,
        )


def check_hosts(account: Merchant) -> Iterator[Finding]:
    """Yield the state of each host, over the merchant's own protocol and that of its reports."""
    if account.mode is Mode.INSTITUTIONAL and not account.sub_mch_id:
        yield Finding(
            merchant=account.alias,
            subject=Subject.HOSTS,
            level=Level.WARNING,
            message="Its hosts and keys cannot be checked: an institution queries for a "
            "sub-merchant, and SUB_MCH_ID is not set.",
            advice="Set SUB_MCH_ID to one of its sub-merchants; an order may still name another.",
        )
        return
    for api in dict.fromkeys([account.api, *([Api.V2] if account.api_key else [])]):
        for host in account.hosts:
            yield _check(Probe(account=account, host=host, api=api))


def _check(probe: Probe) -> Finding:
    try:
        _query(probe)
    except Refused as refusal:
        return _refused(probe, refusal)
    except Busy as busy:
        advice = "WeChat Pay is busy or briefly out of order: run this again in a minute."
        return probe.finding(Subject.HOSTS, Level.WARNING, _words_of(busy.refusal), advice)
    except BadSignature as error:
        message = f"sends an answer that cannot be trusted: {one_line(str(error))}"
        return probe.finding(Subject.KEYS, Level.ERROR, message, _COMPARE_KEYS[probe.api])
    except OutcomeUnknown:
        return _unanswered(probe)
    except ConfigurationError as error:
        message = f"cannot be called: {one_line(str(error))}"
        advice = "Correct what it names in the settings or in the environment."
        return probe.finding(Subject.CONFIGURATION, Level.ERROR, message, advice)
    took_ms = probe.attempts[-1].execute_time_ms
    message = f"answers in {took_ms} ms, and accepts our key"
    return probe.finding(Subject.HOSTS, Level.OK, message)


def _query(probe: Probe) -> None:
    account = probe.account
    gateway = gateways.gateway_at(
        account.alias,
        probe.host,
        api=probe.api,
        on_attempt=probe.attempts.append,
    )
    if isinstance(gateway, V3Gateway) and not account.wechatpay_public_key_id:
        # "No such order" is not signed. This answer is, and API_V3_KEY decrypts it.
        gateway.certificates()
    _query_unknown_order(gateway, probe)


def _query_unknown_order(gateway: V2Gateway | V3Gateway, probe: Probe) -> None:
    account = probe.account
    is_institution = account.mode is Mode.INSTITUTIONAL
    ref = OrderRef(
        appid=account.appid,
        mch_id=account.mch_id,
        out_trade_no=clock.out_trade_no(),
        sub_appid=account.sub_appid if is_institution else "",
        sub_mch_id=account.sub_mch_id if is_institution else "",
    )
    try:
        gateway.query(ref)
    except Refused as refusal:
        if refusal.kind != _NO_SUCH_ORDER or not _is_trusted(probe):
            raise


def _is_trusted(probe: Probe) -> bool:
    # A v2 answer with return_code FAIL is not signed, so anything on the way can write it.
    return probe.api is Api.V3 or probe.attempts[-1].return_code == "SUCCESS"


def _refused(probe: Probe, refusal: Refused) -> Finding:
    message = _words_of(refusal)
    if refusal.kind in NO_CERTIFICATES:
        return probe.finding(Subject.KEYS, Level.ERROR, message, _SET_THE_PUBLIC_KEY)
    return probe.finding(_subject_of(refusal), Level.ERROR, message, refusal.advice)


def _subject_of(refusal: Refused) -> Subject:
    if refusal.kind == _WRONG_SIGNATURE:
        return Subject.KEYS
    if refusal.kind != RETURN_FAIL:
        return Subject.CONFIGURATION
    # The texts are no part of the protocol: they decide where a person reads it, and no more.
    text = refusal.err_code_des
    if any(words in text.lower() for words in _SIGNATURE_WORDS):
        return Subject.KEYS
    is_known = any(words in text for words in RETURN_MESSAGES)
    # Any other text may be about anything, and nobody has signed it.
    return Subject.CONFIGURATION if is_known else Subject.HOSTS


def _words_of(refusal: Refused) -> str:
    return f"refuses: {one_line(f'{refusal.err_code} {refusal.err_code_des}')}"


def _unanswered(probe: Probe) -> Finding:
    last = probe.attempts[-1]
    status = f"HTTP {last.http_status}" if last.http_status else ""
    details = ", ".join(filter(None, [last.failure or "undecided", status]))
    message = f"gave no trustworthy answer: {details}"
    return probe.finding(Subject.HOSTS, Level.ERROR, message, advice_for_failure(last.failure))
