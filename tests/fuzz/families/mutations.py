"""Genuine requests that somebody on the way has changed, byte by byte."""

from __future__ import annotations

from tests.fuzz import composing
from tests.fuzz.cases import Scene, Sender, family
from tests.fuzz.merchants import SPEAK_V2, SPEAK_V3


def _mutated(scene: Scene, body: bytes) -> bytes:
    octets = bytearray(body)
    for _ in range(scene.rng.randint(1, 4)):
        at = scene.rng.randrange(len(octets))
        move = scene.rng.randrange(6)
        if move == 0:
            octets[at] ^= 1 << scene.rng.randrange(8)
        elif move == 1:
            octets[at] = scene.rng.randrange(256)
        elif move == 2:
            del octets[at : at + scene.rng.randint(1, 20)]
        elif move == 3:
            octets[at:at] = scene.rng.randbytes(scene.rng.randint(1, 8))
        elif move == 4:
            end = at + scene.rng.randint(1, 60)
            octets[at:at] = octets[at:end]
        else:
            other = scene.rng.randrange(len(octets))
            octets[at], octets[other] = octets[other], octets[at]
        if not octets:
            break
    return bytes(octets)


@family("v2 flipped")
def flipped_v2(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V2)
    body = composing.notice(scene.trade(account), scene.rng)
    for _ in range(scene.rng.randint(8, 32)):
        scene.send(account, _mutated(scene, body), Sender.SEEN)


@family("v2 hint flipped")
def hint_flipped(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V2)
    trade = scene.trade(account)
    scene.pay(trade)
    number = scene.number("R")
    document = composing.xml(composing.hint_fields(trade, number), root="root")
    if scene.rng.random() < 0.5:
        # Inside the seal: as if a bit had fallen over at the sender's.
        sealed = composing.sealed_hint(_mutated(scene, document), account.api_key)
    else:
        sealed = _mutated(scene, composing.sealed_hint(document, account.api_key))
    body = composing.hint(account, sealed, scene.rng)
    scene.send(account, body, Sender.SEEN, kind="refund")
    scene.case.hints = 1


@family("v3 flipped")
def flipped_v3(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V3)
    trade = scene.trade(account)
    body = composing.payment_v3(trade, scene.rng)
    headers = composing.headers_v3(body, account, scene.rng, scene.now)
    for _ in range(scene.rng.randint(8, 32)):
        mutated = _mutated(scene, body)
        sender = Sender.SEEN if mutated == body else Sender.NONE
        scene.send(account, mutated, sender, headers=headers)


@family("v3 headers flipped")
def headers_flipped(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V3)
    body = composing.payment_v3(scene.trade(account), scene.rng)
    headers = composing.headers_v3(body, account, scene.rng, scene.now)
    name = scene.one_of(headers)
    mutated = _mutated(scene, headers[name].encode()).decode("latin-1")
    scene.send(account, body, Sender.SEEN, headers={**headers, name: mutated})


@family("v3 content flipped")
def content_flipped(scene: Scene) -> None:
    """Signed and sealed by WeChat Pay, and nonsense inside."""
    account = scene.one_of(SPEAK_V3)
    trade = scene.trade(account)
    body = composing.payment_v3(trade, scene.rng)
    scene.send_v3(account, _mutated(scene, body), Sender.SEEN)


@family("truncated")
def truncated(scene: Scene) -> None:
    account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    trade = scene.trade(account, paid=False)
    if account.api_key:
        body, headers = composing.notice(trade, scene.rng), {}
    else:
        body = composing.payment_v3(trade, scene.rng)
        headers = composing.headers_v3(body, account, scene.rng, scene.now)
    for _ in range(scene.rng.randint(8, 32)):
        cut = body[: scene.rng.randrange(len(body))]
        scene.send(account, cut, Sender.NONE, headers=headers)
    scene.case.rows = 0


@family("v2 spliced")
def spliced(scene: Scene) -> None:
    """Fields of two genuine notices under the signature of one."""
    account = scene.one_of(SPEAK_V2)
    one = composing.signed(composing.notice_fields(scene.trade(account), scene.rng), account)
    two = composing.signed(composing.notice_fields(scene.trade(account), scene.rng), account)
    for _ in range(scene.rng.randint(1, 3)):
        names = scene.rng.sample(sorted({*one} & {*two}), 2)
        mixed = {**one, **{name: two[name] for name in names}}
        scene.send(account, composing.xml(mixed), Sender.SEEN)


@family("random")
def noise(scene: Scene) -> None:
    account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    starts = (b"", b"<", b"<xml>", b"{", b"\xef\xbb\xbf<xml>", b" \n<", b"\xff\xfe")
    for _ in range(scene.rng.randint(8, 32)):
        body = scene.one_of(starts) + scene.rng.randbytes(scene.one_of((0, 1, 16, 400, 4000)))
        headers = {}
        if scene.rng.random() < 0.5:
            headers = {"Wechatpay-Signature": scene.word(344)}
        scene.send(account, body, Sender.NONE, headers=headers)
    scene.case.rows = 0
