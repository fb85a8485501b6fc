"""Requests that are odd as HTTP: methods, addresses, sizes, encodings, bodies that break off."""

from __future__ import annotations

import gzip

from tests.fuzz import composing
from tests.fuzz.cases import Scene, Sender, family
from tests.fuzz.merchants import ACCOUNTS, SPEAK_V2, SPEAK_V3


@family("methods")
def methods(scene: Scene) -> None:
    account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    names = ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post", "", "P\xc9T")
    for method in scene.rng.sample(names, 4):
        body = b"" if scene.rng.random() < 0.5 else scene.rng.randbytes(100)
        scene.send(account, body, Sender.NONE, method=method)
    scene.case.rows = 0


@family("addresses")
def addresses(scene: Scene) -> None:
    """Aliases that are none, and paths beside the routes."""
    account = scene.one_of(SPEAK_V2)
    body = composing.notice(scene.trade(account, paid=False), scene.rng)
    alias = scene.one_of(
        (
            "nobody",
            account.alias.upper(),
            account.alias + "x",
            "é",
            "%00",
            "..",
            "x" * 3000,
            f"{account.alias}/payment/../{account.alias}",
            "",
            "\ud83d"[:0] + "0",
        )
    )
    tail = scene.one_of(("payment/", "payment", "refund/", "refund", "", "other/", "payment//"))
    if tail == "payment/" and alias in ACCOUNTS:
        return
    scene.send(account, body, Sender.NONE, path=f"/wxpay/notify/{alias}/{tail}")
    scene.case.rows = 0


@family("other alias")
def other_alias(scene: Scene) -> None:
    """Genuine notices at another alias of the same merchant: not about that shop's orders."""
    trade = scene.trade("md5")
    body = composing.notice(trade, scene.rng)
    scene.send(ACCOUNTS["twin"], body, Sender.KEY)
    if scene.rng.random() < 0.5:
        scene.send(ACCOUNTS["md5"], body, Sender.KEY)
        scene.settle(trade)


@family("other address")
def other_address(scene: Scene) -> None:
    """Payments at the address of refunds: they say themselves what they are."""
    account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    trade = scene.trade(account)
    if account.api_key:
        scene.send(account, composing.notice(trade, scene.rng), Sender.KEY, kind="refund")
    else:
        scene.send_v3(account, composing.payment_v3(trade, scene.rng), kind="refund")
    scene.settle(trade)


@family("sizes")
def sizes(scene: Scene) -> None:
    account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    is_v3 = account.serial and scene.rng.random() < 0.5
    largest = 1024 * 1024 if is_v3 else 64 * 1024
    size = largest + scene.one_of((-1, 0, 1, 2, 1000))
    start = b"{" if is_v3 else b"<xml><a>"
    body = start + b"x" * (size - len(start))
    headers = {"Wechatpay-Signature": "x"} if is_v3 else {}
    scene.send(account, body, Sender.NONE, headers=headers)
    scene.case.rows = 0


@family("gzip")
def zipped(scene: Scene) -> None:
    account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    trade = scene.trade(account, paid=False)
    if account.api_key:
        body, headers = composing.notice(trade, scene.rng), {}
    else:
        body = composing.payment_v3(trade, scene.rng)
        headers = composing.headers_v3(body, account, scene.rng, scene.now)
    coding = {"Content-Encoding": scene.one_of(("gzip", "deflate", "br"))}
    scene.send(account, gzip.compress(body, mtime=0), Sender.NONE, headers={**headers, **coding})
    scene.case.rows = 0


@family("chunks")
def chunks(scene: Scene) -> None:
    """Genuine notices that arrive in pieces, without a length, or under an odd content type."""
    account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    trade = scene.trade(account)
    environ = scene.one_of(
        (
            {},
            {"CONTENT_LENGTH": "", "wsgi.input_terminated": "1"},
            {"CONTENT_TYPE": "multipart/form-data; boundary=x"},
            {"CONTENT_TYPE": "application/x-www-form-urlencoded"},
            {"CONTENT_TYPE": "application/json; charset=utf-7"},
            {"CONTENT_TYPE": "text/xml; charset=no-such"},
            {"CONTENT_TYPE": "\xe9"},
            {"HTTP_ACCEPT_LANGUAGE": "zh-hans;q=x,,,"},
            {"HTTP_COOKIE": "sessionid=\xff; csrftoken="},
            {"HTTP_X_FORWARDED_FOR": "x"},
        )
    )
    more = {"environ": environ, "chunk": scene.one_of((0, 1, 100))}
    if account.api_key:
        scene.send(account, composing.notice(trade, scene.rng), Sender.KEY, **more)
    else:
        scene.send_v3(account, composing.payment_v3(trade, scene.rng), **more)
    scene.settle(trade)


@family("broken off")
def broken_off(scene: Scene) -> None:
    account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    body = composing.xml({"x": "y" * 200})
    length = scene.one_of((str(len(body) * 2), "-1", "x", "9" * 30, "0", "1"))
    scene.send(
        account,
        body,
        Sender.NONE,
        environ={"CONTENT_LENGTH": length},
        breaks_at=scene.one_of((-1, 0, 10)),
    )
    scene.case.rows = 0


@family("hosts")
def hosts(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V2)
    body = composing.notice(scene.trade(account, paid=False), scene.rng)
    host = scene.one_of(("evil.example.com", "", "[", "fuzz.test:x", "a" * 300, "fuzz.test\t"))
    scene.send(
        account, body.replace(b"<sign>", b"<sign>0"), Sender.NONE, environ={"HTTP_HOST": host}
    )
    scene.case.rows = 0
