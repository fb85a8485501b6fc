"""wechatpy as a third party: a library nobody here wrote checks our signatures and WeChat Pay's.

It knows MD5 only where it verifies, so these orders are signed with MD5; HMAC-SHA256 is
checked with its own calculation. wechatpy as a client of the simulator is tried in
``tests/simulator``.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import xmltodict
from wechatpy.exceptions import InvalidSignatureException
from wechatpy.pay import WeChatPay as WeChatPyClient
from wechatpy.pay.utils import calculate_signature_hmac

from django_wxpay.models import Notification
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.simulator import Simulator, running
from tests.journeys.stage import DIRECT, PLAIN, Stage

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


@pytest.fixture(autouse=True)
def discreet() -> Iterator[None]:
    """Keep wechatpy quiet: at DEBUG it writes the key itself into the log."""
    logger = logging.getLogger("wechatpy")
    level = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(level)


@pytest.fixture
def wire(
    stage: Stage,
    simulator: Simulator,
    configure: Callable[..., None],
) -> Iterator[list[tuple[str, bytes]]]:
    """Put a listener between the shop and WeChat Pay; return what was sent, as (path, body)."""
    sent: list[tuple[str, bytes]] = []

    def listening(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        sent.append((environ["PATH_INFO"], body))
        return simulator({**environ, "wsgi.input": io.BytesIO(body)}, start_response)

    with running(listening) as url:
        configure(url)
        yield sent


def wechatpy(merchant: Merchant) -> WeChatPyClient:
    return WeChatPyClient(
        appid=merchant.appid, api_key=merchant.api_key.reveal(), mch_id=merchant.mch_id
    )


def test_wechatpy_accepts_the_signature_of_every_request_of_ours(
    stage: Stage,
    wire: list[tuple[str, bytes]],
) -> None:
    order = stage.clerk.placed(merchant="md5", body="龙井 & <茶>", attach="0")
    stage.clerk.query(order)
    stage.clerk.close(order)

    assert [path for path, _ in wire] == [
        "/pay/unifiedorder",
        "/pay/orderquery",
        "/pay/closeorder",
    ]
    for path, body in wire:
        params = dict(xmltodict.parse(body)["xml"])
        assert wechatpy(PLAIN).check_signature(params), path
        assert not wechatpy(PLAIN).check_signature(params | {"out_trade_no": "ANOTHER0001"}), path


def test_wechatpy_comes_to_the_same_hmac_sha256_as_we_do(
    stage: Stage,
    wire: list[tuple[str, bytes]],
) -> None:
    stage.clerk.placed(body="龙井 & <茶>")
    ((_, body),) = wire
    params = dict(xmltodict.parse(body)["xml"])
    sign = params.pop("sign")

    assert params["sign_type"] == "HMAC-SHA256"
    assert sign == calculate_signature_hmac(params, DIRECT.api_key.reveal())


def test_wechatpy_and_we_read_the_same_notification_the_same_way(stage: Stage) -> None:
    order = stage.clerk.placed(merchant="md5", attach="table 7")
    stage.wechat.pay(order)
    shown = stage.clerk.show(order)
    assert shown["trade_state"] == "SUCCESS"

    told = bytes(Notification.objects.get().body)
    result = wechatpy(PLAIN).parse_payment_result(told)
    assert result["out_trade_no"] == order["out_trade_no"]
    assert result["transaction_id"] == shown["transaction_id"]
    assert (result["total_fee"], result["cash_fee"]) == (1250, shown["payment"]["cash_fee"])
    assert result["openid"] == shown["payment"]["payer"]["openid"]
    with pytest.raises(InvalidSignatureException):
        wechatpy(PLAIN).parse_payment_result(told.replace(b"1250", b"1251"))


def test_wechatpys_parameters_for_the_bridge_are_ours(stage: Stage) -> None:
    order = stage.clerk.placed(merchant="md5", trade_type="JSAPI", openid=OPENID, product_id=None)
    ours = order["parameters"]
    theirs = wechatpy(PLAIN).jsapi.get_jsapi_params(
        order["prepay"]["prepay_id"], timestamp=ours["timeStamp"], nonce_str=ours["nonceStr"]
    )

    assert theirs == ours
