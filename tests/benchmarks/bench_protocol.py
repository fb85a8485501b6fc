"""What believing a notification costs: decoding, verifying and reading it, ours and wechatpy's.

Run: python tests/benchmarks/bench_protocol.py
"""

from __future__ import annotations

import logging

from measuring import in_turns, table
from wechatpy.pay import WeChatPay

from django_wxpay.protocol import v2
from django_wxpay.protocol.merchants import SignType
from django_wxpay.protocol.v2.notices import read_notice
from tests.journeys.stage import DIRECT, payment_notice


def main() -> None:
    """Measure and print."""
    logging.getLogger("wechatpy").setLevel(logging.WARNING)
    wechatpy = WeChatPay(appid=DIRECT.appid, api_key=DIRECT.api_key.reveal(), mch_id=DIRECT.mch_id)
    md5 = payment_notice("BENCH0000001", sign_type="MD5", attach="table 7")
    hmac = payment_notice("BENCH0000001", attach="table 7")
    fields = v2.decode_xml(hmac)
    key = DIRECT.api_key.reveal()

    times = in_turns(
        {
            "wechatpy parse_payment_result (MD5)": lambda: wechatpy.parse_payment_result(md5),
            "ours, the same work: decode_xml + verify (MD5)": lambda: v2.verify(
                v2.decode_xml(md5), key
            ),
            "ours, whole: read_notice (MD5)": lambda: read_notice(md5, merchant=DIRECT),
            "ours, whole: read_notice (HMAC-SHA256)": lambda: read_notice(hmac, merchant=DIRECT),
        }
    )
    table(
        f"A notification of {len(hmac)} bytes, {len(fields)} fields",
        times,
        base="wechatpy parse_payment_result (MD5)",
    )
    parts = in_turns(
        {
            "decode_xml": lambda: v2.decode_xml(hmac),
            "verify (HMAC-SHA256)": lambda: v2.verify(fields, key),
            "sign (HMAC-SHA256)": lambda: v2.sign(fields, key, SignType.HMAC_SHA256),
            "encode_xml": lambda: v2.encode_xml(fields),
        }
    )
    table("Its parts", parts, base="decode_xml")


if __name__ == "__main__":
    main()
