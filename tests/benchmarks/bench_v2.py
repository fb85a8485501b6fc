"""The protocol of v2: signing, verifying and reading, beside the least code that is correct.

Run: python -m tests.benchmarks.bench_v2 [--quick]
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from xml.etree import ElementTree as ET

from wechatpy.pay import WeChatPay

from django_wxpay.protocol.errors import WXPayError
from django_wxpay.protocol.merchants import SignType
from django_wxpay.protocol.v2 import decode_xml, sign, verify
from django_wxpay.protocol.v2.notices import read_notice
from tests.benchmarks.measuring import FULL, QUICK, Aim, Result, Scale, ratios, samples, share, show
from tests.journeys.stage import DIRECT, payment_notice
from tests.protocol.samples import MERCHANT
from tests.protocol.v2.tiring import HONEST, HONEST_NOTICE, TIRING, TIRING_NOTICES, UNPROVEN

_KEY: Final = DIRECT.api_key.reveal()


def results(scale: Scale) -> Iterator[Result]:
    """Yield the rows of v2."""
    body = payment_notice("BENCH0000001", sign_type="MD5", attach="table 7")
    fields = decode_xml(body)
    size = f"{len(fields)} fields, {len(body)} bytes"
    yield from _signing(fields, scale)
    yield from _reading(body, scale, note=size)
    yield _slowest("v2 document chosen to be slow: decode", decode_xml, HONEST, TIRING, scale)
    yield _slowest(
        "v2 notification chosen to be slow: read into a fact",
        lambda document: read_notice(document, merchant=MERCHANT),
        HONEST_NOTICE,
        TIRING_NOTICES | UNPROVEN,
        scale,
    )


def _signing(fields: Mapping[str, str], scale: Scale) -> Iterator[Result]:
    for sign_type, digest in ((SignType.MD5, _md5), (SignType.HMAC_SHA256, _hmac_sha256)):
        yield share(
            f"v2 sign {sign_type}",
            "sort + join + digest",
            ours=lambda of=sign_type: sign(fields, DIRECT.api_key, of),  # type: ignore[misc]
            bare=lambda of=digest: of(fields),  # type: ignore[misc]
            reach=0.9,
            scale=scale,
            note=f"{len(fields)} fields",
        )


def _reading(body: bytes, scale: Scale, *, note: str) -> Iterator[Result]:
    logging.getLogger("wechatpy").setLevel(logging.WARNING)
    wechatpy = WeChatPay(appid=DIRECT.appid, api_key=_KEY, mch_id=DIRECT.mch_id)

    def decode_and_verify() -> bool:
        return verify(decode_xml(body), DIRECT.api_key)

    def parse() -> object:
        return wechatpy.parse_payment_result(body)

    if not (decode_and_verify() and _decode_and_verify(body)):
        raise SystemExit("the notification of the benchmark is not authentic")
    yield share(
        "v2 notification: decode + verify",
        "ElementTree's C parser + DTD check + digest",
        ours=decode_and_verify,
        bare=lambda: _decode_and_verify(body),
        peers={"wechatpy": parse},
        reach=0.6,
        scale=scale,
        note=note,
    )
    yield share(
        "v2 notification: decode + verify, over wechatpy",
        "wechatpy's parse_payment_result",
        ours=decode_and_verify,
        bare=parse,
        reach=1.5,
        scale=scale,
        note=note,
    )
    yield share(
        "v2 notification: read into a fact with fingerprint",
        "wechatpy's parse_payment_result, which makes neither",
        ours=lambda: read_notice(body, merchant=DIRECT),
        bare=parse,
        reach=1.0,
        scale=scale,
        note=note,
    )


def _slowest(
    path: str,
    read: Callable[[bytes], object],
    honest: bytes,
    tiring: Mapping[str, bytes],
    scale: Scale,
) -> Result:
    """Return what the slowest of ``tiring`` costs, as a multiple of ``honest``."""

    def reading(document: bytes) -> Callable[[], None]:
        def action() -> None:
            try:
                read(document)
            except WXPayError:
                return

        return action

    # Under a name that none of the others has.
    times = samples(
        {"": reading(honest), **{name: reading(each) for name, each in tiring.items()}},
        scale=scale,
        # Each is a millisecond and more, in which another process could be given the processor.
        clock=time.process_time,
    )
    multiples = {name: ratios(times[name], times[""]) for name in tiring}
    name = max(multiples, key=lambda each: statistics.median(multiples[each]))
    low, middle, high = statistics.quantiles(multiples[name], n=4)
    return Result(
        path=path,
        limit="an honest one of the same 64 KiB",
        figure=middle,
        reach=10,
        aim=Aim.AT_MOST,
        low=low,
        high=high,
        note=f"the slowest of {len(tiring)}: {name}",
    )


# --- the limits


def _decode_and_verify(body: bytes) -> bool:
    if b"<!DOCTYPE" in body:
        raise ValueError("a DTD")
    root = ET.fromstring(body)  # noqa: S314 - a document of our own
    fields = {element.tag: element.text or "" for element in root}
    return hmac.compare_digest(_md5(fields), fields["sign"])


def _joined(fields: Mapping[str, str]) -> bytes:
    pieces = [
        f"{name}={fields[name]}" for name in sorted(fields) if fields[name] and name != "sign"
    ]
    return f"{'&'.join(pieces)}&key={_KEY}".encode()


def _md5(fields: Mapping[str, str]) -> str:
    return hashlib.md5(_joined(fields)).hexdigest().upper()  # noqa: S324 - of v2


def _hmac_sha256(fields: Mapping[str, str]) -> str:
    return hmac.digest(_KEY.encode(), _joined(fields), "sha256").hex().upper()


def main() -> None:
    """Measure and print."""
    show(list(results(QUICK if "--quick" in sys.argv else FULL)))


if __name__ == "__main__":
    main()
