"""Whether each host of a merchant answers, and whether it and we believe each other.

Each is asked, apart, for an order that cannot exist. "No such order" is the good answer: the
host was reached and took our signature. v2 signs it, so WeChat Pay's key is proven as well.
v3 signs no refusal; where its platform certificates are used they are asked for too, an
answer that ``API_V3_KEY`` has to open and one of them to sign.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from django_wxpay.gateway import Busy, CallRecord, V2Gateway, V3Gateway
from django_wxpay.protocol.error_codes import RETURN_FAIL
from django_wxpay.protocol.errors import (
    BadSignature,
    ConfigurationError,
    OutcomeUnknown,
    Refused,
)
from django_wxpay.protocol.merchants import Api, Merchant, Mode
from django_wxpay.protocol.orders import OrderRef
from django_wxpay.services import clock, gateways
from django_wxpay.services.doctor.findings import Finding, Level, Subject, advice_on, quoted

_NO_SUCH_ORDER: Final = "ORDERNOTEXIST"
# What is said to somebody whose signature does not hold, before any order is looked for.
_OF_THE_KEYS: Final = frozenset({"SIGNERROR", RETURN_FAIL})
# What the list of platform certificates says to a merchant who has none (protocol-v3, 2.6).
_NO_CERTIFICATES: Final = frozenset({"RESOURCE_NOT_EXISTS", "NOT_FOUND"})
_SET_THE_PUBLIC_KEY: Final = (
    "WeChat Pay has no platform certificates for this merchant: set WECHATPAY_PUBLIC_KEY and "
    "WECHATPAY_PUBLIC_KEY_ID from the merchant platform."
)
_COMPARE: Final = {
    Api.V2: "Compare API_KEY, SIGN_TYPE and MCH_ID with the merchant platform: the key (v2) has "
    "to be this merchant's. If they are right, somebody stands between this machine and WeChat "
    "Pay.",
    Api.V3: "Compare API_V3_KEY, WECHATPAY_PUBLIC_KEY and its id with the merchant platform, and "
    "this machine's clock with the time. If they are right, somebody stands between this machine "
    "and WeChat Pay.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One merchant asks one host over one protocol; ``heard`` is what came of each attempt."""

    account: Merchant
    host: str
    api: Api
    heard: list[CallRecord] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{urlsplit(self.host).netloc} (API {self.api})"

    def finding(self, subject: Subject, level: Level, said: str, advice: str = "") -> Finding:
        return Finding(
            merchant=self.account.alias,
            subject=subject,
            level=level,
            message=f"{self.name} {said}.",
            advice=advice,
        )


def answers(account: Merchant) -> Iterator[Finding]:
    """Yield what each host answers, over the merchant's own protocol and that of its reports."""
    if account.mode is Mode.INSTITUTIONAL and not account.sub_mch_id:
        yield Finding(
            merchant=account.alias,
            subject=Subject.HOSTS,
            level=Level.WARNING,
            message="Its hosts and keys cannot be tried: an institution asks for a sub-merchant, "
            "and SUB_MCH_ID is not set.",
            advice="Set SUB_MCH_ID to one of its sub-merchants; an order may still name another.",
        )
        return
    for api in dict.fromkeys([account.api, *([Api.V2] if account.api_key else [])]):
        for host in account.hosts:
            yield _answer(Question(account=account, host=host, api=api))


def _answer(question: Question) -> Finding:
    try:
        _ask(question)
    except Refused as refusal:
        return _refused(question, refusal)
    except Busy as busy:
        said = f"refuses: {_words_of(busy.refusal)}"
        advice = "WeChat Pay is busy or briefly out of order: run this again in a minute."
        return question.finding(Subject.HOSTS, Level.WARNING, said, advice)
    except BadSignature as problem:
        said = f"sends an answer that cannot be believed: {quoted(str(problem))}"
        return question.finding(Subject.KEYS, Level.ERROR, said, _COMPARE[question.api])
    except OutcomeUnknown:
        return _unanswered(question)
    except ConfigurationError as problem:
        said = f"cannot be asked: {quoted(str(problem))}"
        advice = "Correct what it names in the settings or in the environment."
        return question.finding(Subject.CONFIGURATION, Level.ERROR, said, advice)
    took_ms = question.heard[-1].execute_time_ms
    said = f"answers in {took_ms} ms, and knows our key"
    return question.finding(Subject.HOSTS, Level.OK, said)


def _ask(question: Question) -> None:
    """Ask, and return if all is well."""
    account = question.account
    gateway = gateways.gateway_at(
        account.alias,
        question.host,
        api=question.api,
        heard=question.heard.append,
    )
    if isinstance(gateway, V3Gateway) and not account.wechatpay_public_key_id:
        # What says that there is no such order is not signed; this is, and opens with our key.
        gateway.certificates()
    _ask_for_no_order(gateway, question)


def _ask_for_no_order(gateway: V2Gateway | V3Gateway, question: Question) -> None:
    account = question.account
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
        if refusal.kind != _NO_SUCH_ORDER or not _is_believed(question):
            raise


def _is_believed(question: Question) -> bool:
    """Say whether a refusal counts: one of v2 as a whole is not signed, so anybody's."""
    return question.api is Api.V3 or question.heard[-1].return_code == "SUCCESS"


def _refused(question: Question, refusal: Refused) -> Finding:
    said = f"refuses: {_words_of(refusal)}"
    if refusal.kind in _OF_THE_KEYS:
        return question.finding(Subject.KEYS, Level.ERROR, said, refusal.advice)
    if refusal.kind in _NO_CERTIFICATES:
        return question.finding(Subject.KEYS, Level.ERROR, said, _SET_THE_PUBLIC_KEY)
    return question.finding(Subject.CONFIGURATION, Level.ERROR, said, refusal.advice)


def _words_of(refusal: Refused) -> str:
    return quoted(f"{refusal.err_code} {refusal.err_code_des}")


def _unanswered(question: Question) -> Finding:
    last = question.heard[-1]
    told = [last.failure or "undecided", f"HTTP {last.http_status}" if last.http_status else ""]
    said = f"brings no answer to believe: {', '.join(filter(None, told))}"
    return question.finding(Subject.HOSTS, Level.ERROR, said, advice_on(last.failure))
