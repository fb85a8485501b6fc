"""The command ``python -m tests.fuzz.guided``: coverage-guided inputs for the protocol's readers.

atheris (libFuzzer for Python) makes the inputs and follows the branches that they reach. It is no
dependency of the project: ``pip install atheris`` where there is a wheel for this Python. What
stands behind a signature is signed here first, so that the guide sees the reader and not the lock.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final

try:
    import atheris
except ImportError:
    sys.exit("skipped: atheris is not installed (pip install atheris)")

with atheris.instrument_imports(include=["django_wxpay.protocol"]):
    from django_wxpay.protocol import v2
    from django_wxpay.protocol.errors import ConfigurationError, MalformedMessage, WXPayError
    from django_wxpay.protocol.merchants import Merchant
    from django_wxpay.protocol.times import parse_rfc3339, parse_t14
    from django_wxpay.protocol.v2 import notices as notices_v2
    from django_wxpay.protocol.v2.xml import decode_xml, encode_xml
    from django_wxpay.protocol.v3 import documents
    from django_wxpay.protocol.v3 import notices as notices_v3
    from django_wxpay.protocol.v3.certificates import read_certificate, read_certificate_list
    from django_wxpay.protocol.v3.refunds import refund_fact
    from django_wxpay.protocol.v3.signing import read_signature_headers
    from django_wxpay.protocol.v3.trades import trade_fact

from tests.fuzz import composing
from tests.fuzz.ledger import Trade
from tests.fuzz.merchants import ACCOUNTS, CERTIFICATE

_ACCOUNT: Final = ACCOUNTS["both"]
_MERCHANT: Final = Merchant(
    alias=_ACCOUNT.alias,
    mch_id=_ACCOUNT.mch_id,
    appid=_ACCOUNT.appid,
    api_key=_ACCOUNT.api_key,
    api_v3_key=_ACCOUNT.api_v3_key,
)
_RNG: Final = Random(1)
_TRADE: Final = Trade(
    account=_ACCOUNT, out_trade_no="F1", total_fee=1, transaction_id="4200", state="SUCCESS"
)


def _xml(body: bytes) -> None:
    with suppress(MalformedMessage):
        fields = decode_xml(body)
        # What is let in can be written again, and reads the same.
        kept = {name: text for name, text in fields.items() if text}
        if decode_xml(encode_xml(kept)) != kept:
            raise AssertionError("what was written reads differently")


def _notice_v2(body: bytes) -> None:
    with suppress(WXPayError):
        fields = decode_xml(body)
        fields["sign"] = v2.sign(fields, _ACCOUNT.api_key, "MD5")
        fields.pop("sign_type", None)
        notices_v2.read_notice(encode_xml(fields), merchant=_MERCHANT)


def _hint(body: bytes) -> None:
    sealed = composing.sealed_hint(body, _ACCOUNT.api_key)
    with suppress(WXPayError):
        notices_v2.read_notice(composing.hint(_ACCOUNT, sealed, _RNG), merchant=_MERCHANT)


def _envelope(body: bytes) -> None:
    # Behind the signature it never refuses: whatever it holds becomes a notice.
    notices_v3.read_notice(body, merchant=_MERCHANT)


def _resource(body: bytes) -> None:
    resource = composing.sealed(body, _ACCOUNT, _RNG, "transaction")
    notice = composing.envelope("TRANSACTION.SUCCESS", resource, _RNG)
    notices_v3.read_notice(notice, merchant=_MERCHANT)


def _documents(body: bytes) -> None:
    for read in (documents.read_object, documents.read_with_marks):
        with suppress(MalformedMessage):
            content = read(body)
            for fact in (trade_fact, refund_fact):
                with suppress(MalformedMessage):
                    fact(content, source="fuzz")


def _certificates(body: bytes) -> None:
    with suppress(ConfigurationError):
        read_certificate(body)
    with suppress(WXPayError):
        read_certificate_list(
            body, _ACCOUNT.api_v3_key, on_unreadable=lambda _serial, _problem: None
        )


def _times(body: bytes) -> None:
    text = body.decode("latin-1")
    for parse in (parse_t14, parse_rfc3339):
        with suppress(ValueError):
            parse(text)
    read_signature_headers(dict.fromkeys(("wechatpay-nonce", "wechatpay-signature"), text))


def _seeds() -> dict[str, tuple[Callable[[bytes], None], list[bytes]]]:
    document = composing.xml(composing.hint_fields(_TRADE, "R1"), root="root")
    content: Any = composing.payment_v3(_TRADE, _RNG)
    trade = b'{"mchid":"1","out_trade_no":"F1","transaction_id":"4","trade_state":"SUCCESS",'
    trade += b'"amount":{"total":1,"currency":"CNY"},"success_time":"2026-01-01T00:00:00+08:00"}'
    notice = composing.notice(_TRADE, _RNG)
    return {
        "xml": (_xml, [notice]),
        "notice-v2": (_notice_v2, [notice]),
        "hint": (_hint, [document]),
        "envelope": (_envelope, [content]),
        "resource": (_resource, [trade, trade.replace(b"trade_state", b"refund_status")]),
        "documents": (_documents, [trade]),
        "certificates": (_certificates, [CERTIFICATE.encode(), b'{"data":[]}']),
        "times": (_times, [b"20260101000130", b"2026-01-01T00:00:00+08:00"]),
    }


def main() -> None:
    """Run the reader that is named first; what follows goes to libFuzzer (``-runs=100000``)."""
    seeds = _seeds()
    if len(sys.argv) < 2 or sys.argv[1] not in seeds:
        sys.exit(f"python -m tests.fuzz.guided {{{','.join(seeds)}}} [libFuzzer's options]")
    reader, *options = sys.argv[1:]
    run, starts = seeds[reader]
    kept = Path("fuzz-findings")
    corpus = kept / f"corpus-{reader}"
    corpus.mkdir(parents=True, exist_ok=True)
    names = {b"SUCCESS"}
    for at, start in enumerate(starts):
        run(start)
        (corpus / f"start-{at}").write_bytes(start)
        names.update(re.findall(rb"[A-Za-z_]{4,}", start))
    words = kept / f"words-{reader}"
    words.write_bytes(b"".join(b'"%s"\n' % name for name in sorted(names)))
    own = [f"-dict={words}", f"-artifact_prefix={kept}/guided-{reader}-", str(corpus)]
    atheris.Setup([sys.argv[0], *options, *own], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
