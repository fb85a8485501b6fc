"""What placing an order costs over a bare POST of the same bytes on a kept connection.

The simulator answers from a process of its own, over plain HTTP, and its time is on both sides;
so is the RSA signature of a request of v3, and the check of its answer's. The share of our
processor time in that of the POST is shown beside, which leaves the simulator out.

The database writes are subtracted by measuring the gateway's call alone: the same signed bytes,
the same verified answer, and no record of the attempt. With them it is what a shop calls. Beside
that stands the POST with the statements of one checkout, repeated on a cursor: what the database
itself takes.

Run: python -m tests.benchmarks.bench_placing
"""

from __future__ import annotations

import base64
import itertools
import secrets
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from tests.benchmarks.databases import database, set_up
from tests.benchmarks.measuring import (
    FULL,
    Action,
    Aim,
    Result,
    Scale,
    profiled,
    ratios,
    samples,
    show,
)
from tests.benchmarks.profiling import CALLS
from tests.benchmarks.simulated import ALIASES, shop

if TYPE_CHECKING:
    from django_wxpay.protocol.merchants import Merchant
    from django_wxpay.protocol.orders import OrderTerms

_FIELDS: Final[dict[str, Any]] = {
    "trade_type": "NATIVE",
    "body": "Tea",
    "total_fee": 1800,
    "product_id": "tea",
    "reference": "A-17",
}
_CALL, _WITH_WRITES = 1.15, 1.5
_WHY: Final = (
    "The order, the record of the call and what was granted are committed one after the other, so "
    "that a crash loses none of them: a server waits for its disk three times (four, where the "
    "order was created before). The same statements on a cursor show how much of it that is. The "
    "rest is Django's, most of it the one INSERT of sixty columns, saved with its signals. Over "
    "loopback a POST takes a few milliseconds; to WeChat Pay it takes tens, on both sides."
)
# The least that a call takes: so many orders are made ready, and no round runs out of them.
_FASTEST_S: Final = 0.001
_TIMEOUT: Final = (5, 15)


@dataclass(frozen=True, slots=True)
class Bare:
    """POSTs of placed orders by ``requests.Session`` alone, in turn through ``bodies``."""

    url: str
    merchant: Merchant
    session: requests.Session
    bodies: Iterator[bytes]

    def v2(self) -> None:
        """Post what was signed before; the answer is not verified."""
        headers = {"Content-Type": "text/xml"}
        answer = self.session.post(self.url, next(self.bodies), headers=headers, timeout=_TIMEOUT)
        _check_granted(answer)

    def v3(self) -> None:
        """Sign the body, post it and verify the answer."""
        body, nonce, seconds = next(self.bodies), secrets.token_hex(16), int(time.time())
        account = self.merchant
        message = b"POST\n%s\n%d\n%s\n%s\n" % (
            urlsplit(self.url).path.encode(),
            seconds,
            nonce.encode(),
            body,
        )
        signed = base64.b64encode(_private_key(account).sign(message, PKCS1v15(), SHA256()))
        authorization = (
            f'WECHATPAY2-SHA256-RSA2048 mchid="{account.mch_id}",nonce_str="{nonce}",'
            f'signature="{signed.decode()}",timestamp="{seconds}",'
            f'serial_no="{account.cert_serial_no}"'
        )
        headers = {
            "Accept": "application/json",
            "Authorization": authorization,
            "Content-Type": "application/json",
            "Wechatpay-Serial": account.wechatpay_public_key_id,
        }
        answer = self.session.post(self.url, body, headers=headers, timeout=_TIMEOUT)
        _check_granted(answer)
        _public_key(account).verify(
            base64.b64decode(answer.headers["Wechatpay-Signature"]),
            b"%s\n%s\n%s\n"
            % (
                answer.headers["Wechatpay-Timestamp"].encode(),
                answer.headers["Wechatpay-Nonce"].encode(),
                answer.content,
            ),
            PKCS1v15(),
            SHA256(),
        )


def _check_granted(answer: requests.Response) -> None:
    # A refusal would be quicker, and no limit.
    if b"code_url" not in answer.content:
        raise SystemExit(f"the simulator refuses what is compared with: {answer.text}")


class Statements:
    """The statements that one checkout makes, to be made again for other orders."""

    def __init__(self, checkout: Callable[[], Any]) -> None:
        from django.db import connection

        self._made: list[tuple[str, Sequence[Any]]] = []
        with connection.execute_wrapper(self._note):
            self._number = checkout().order.out_trade_no
        self._numbers = itertools.count(1)

    def _note(self, execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        # SQLite's BEGIN comes here too, and has none.
        if params:
            self._made.append((sql, tuple(params)))
        return execute(sql, params, many, context)

    def make(self) -> None:
        """Make them for a new order: it, the record of the call, and then the rest at once."""
        from django.db import connection, transaction

        number = f"PLAIN{next(self._numbers):010d}"
        (order_sql, order), (record_sql, record), (update_sql, update), *inserts = self._made
        with connection.cursor() as cursor:
            # Each INSERT returns its key, which SQLite has to be asked for before it commits.
            cursor.execute(order_sql, self._of(number, order))
            ((pk, *_),) = cursor.fetchall()
            cursor.execute(record_sql, self._of(number, record))
            cursor.fetchall()
            with transaction.atomic():
                # The order's key is the one whole number here, and comes first below.
                cursor.execute(update_sql, [pk if type(p) is int else p for p in update])
                for sql, params in inserts:
                    cursor.execute(sql, [pk, *params[1:]])
                    cursor.fetchall()

    def _of(self, number: str, params: Sequence[Any]) -> list[Any]:
        return [number if each == self._number else each for each in params]


def results(scale: Scale) -> Iterator[Result]:
    """Measure each protocol, its call alone and with what is written."""
    set_up()
    with database(), shop() as url:
        for api in ALIASES:
            yield from _measured(api, url, scale)


def _measured(api: str, url: str, scale: Scale) -> Iterator[Result]:
    from django_wxpay import services

    alias = ALIASES[api]
    place, terms = _place(api), services.create_order(merchant=alias, **_FIELDS).terms()
    yield _cost(
        f"placing an order over {api}, database writes subtracted",
        "the gateway's call alone",
        ours=lambda: place(terms),
        bare=_bare(api, url, [terms]),
        reach=_CALL,
        scale=scale,
    )
    statements = Statements(lambda: services.checkout(merchant=alias, **_FIELDS))
    count = _orders(scale)
    known = [replace(terms, out_trade_no=f"BARE{api}{number:08d}") for number in range(count)]
    yield _cost(
        f"placing an order over {api}, with the database writes: checkout",
        "each a new order",
        ours=lambda: services.checkout(merchant=alias, **_FIELDS),
        bare=_bare(api, url, known),
        plain=statements.make,
        reach=_WITH_WRITES,
        scale=scale,
    )
    orders = iter([services.create_order(merchant=alias, **_FIELDS) for _ in range(count)])
    yield _cost(
        f"placing an order over {api}, with the database writes: unified_order",
        "each a new order, created before",
        ours=lambda: services.unified_order(next(orders)),
        bare=_bare(api, url, known),
        reach=_WITH_WRITES,
        scale=scale,
    )


def _cost(
    path: str,
    how: str,
    *,
    ours: Action,
    bare: Action,
    reach: float,
    scale: Scale,
    plain: Action | None = None,
) -> Result:
    competitors = {"ours": ours, "limit": bare}
    if plain is not None:
        competitors["the POST and the same statements on a cursor"] = lambda: (bare(), plain())
    elapsed = samples(competitors, scale=scale)
    busy = samples(competitors, scale=_third(scale), clock=time.process_time)
    multiples = ratios(elapsed["ours"], elapsed["limit"])
    low, middle, high = statistics.quantiles(multiples, n=4)
    peers = {
        name: statistics.median(ratios(taken, elapsed["limit"]))
        for name, taken in elapsed.items()
        if name not in {"ours", "limit"}
    }
    by_processor_time = statistics.median(ratios(busy["ours"], busy["limit"]))
    row = Result(
        path=path,
        limit=f"Session.post of the same bytes; {how}",
        figure=middle,
        reach=reach,
        aim=Aim.AT_MOST,
        low=low,
        high=high,
        peers={"ours, by processor time": by_processor_time, **peers},
        note=_WHY if reach == _WITH_WRITES else "",
    )
    return profiled(row, ours)


def _third(scale: Scale) -> Scale:
    return replace(scale, rounds=max(3, scale.rounds // 3))


def _orders(scale: Scale) -> int:
    rounds = scale.rounds + _third(scale).rounds
    return 10 + CALLS + int((rounds + 2) * scale.round_s / _FASTEST_S)


def _place(api: str) -> Callable[[OrderTerms], object]:
    """Return the gateway's call, of which nothing is recorded."""
    from django_wxpay import conf
    from django_wxpay.gateway import V2Gateway, V3Gateway
    from django_wxpay.services import clock, gateways

    account = conf.merchant(ALIASES[api])
    parts: dict[str, Any] = {
        "transport": gateways.transport(),
        "now": clock.now,
        "nonce": clock.nonce,
        "record": lambda _: None,
    }
    if api == "v3":
        return V3Gateway(account, keys=gateways.platform_keys(account.alias), **parts).place
    return V2Gateway(account, **parts).place


def _bare(api: str, url: str, terms: Sequence[OrderTerms]) -> Action:
    from django_wxpay import conf
    from django_wxpay.protocol.v2.requests import unifiedorder
    from django_wxpay.protocol.v2.xml import encode_xml
    from django_wxpay.protocol.v3.requests import place_request
    from django_wxpay.services import clock

    account = conf.merchant(ALIASES[api])
    if api == "v3":
        bodies = [place_request(each, merchant=account).body for each in terms]
        path = place_request(terms[0], merchant=account).target
        return Bare(url + path, account, requests.Session(), itertools.cycle(bodies)).v3
    bodies = [
        encode_xml(
            unifiedorder(
                each, sign_type=account.sign_type, key=account.api_key, nonce=clock.nonce()
            )
        )
        for each in terms
    ]
    return Bare(f"{url}/pay/unifiedorder", account, requests.Session(), itertools.cycle(bodies)).v2


def _private_key(account: Merchant) -> Any:
    from django_wxpay.protocol.v3.keys import load_private_key

    return load_private_key(account.private_key)


def _public_key(account: Merchant) -> Any:
    from django_wxpay.protocol.v3.keys import load_public_key

    return load_public_key(account.wechatpay_public_key)


def main() -> None:
    """Measure and print."""
    show(list(results(FULL)))


if __name__ == "__main__":
    main()
