"""Sets the stage: the shop and WeChat Pay on sockets of 127.0.0.1, and ears that hear all."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from django.contrib.auth.models import Permission, User
from pytest_django.live_server_helper import LiveServer

from django_wxpay.models import Order
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.signals import order_conflicted, order_paid
from django_wxpay.simulator import Options, Simulator, create_app, running
from tests.journeys.ears import Ears, stored
from tests.journeys.stage import (
    KEYS,
    MERCHANTS,
    PATIENT_S,
    Clerk,
    Keeper,
    Stage,
    WeChatPay,
)

PASSWORD = "clerk-password"
_LISTENED_TO = ("", "django_wxpay", "urllib3", "requests", "django.request")


@pytest.fixture
def ears(caplog: pytest.LogCaptureFixture) -> Iterator[Ears]:
    """Hear everything at DEBUG; the end of the story checks that nothing secret was said."""
    ears = Ears()
    for name in _LISTENED_TO[1:]:
        caplog.set_level(logging.DEBUG, logger=name)
    logging.getLogger().addHandler(ears)
    yield ears
    logging.getLogger().removeHandler(ears)


@pytest.fixture
def shop(live_server: LiveServer, transactional_db: None) -> str:
    """The shop's address; as patient and as quick as a server in front of a real shop.

    Django's has room for ten waiting callers, and writes every header in a packet of its own.
    """
    listening = live_server.thread.httpd.socket
    listening.listen(128)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return f"http://127.0.0.1:{live_server.thread.port}"


def entry(merchant: Merchant, *hosts: str) -> dict[str, Any]:
    """Return what stands in ``WXPAY["MERCHANTS"]`` for ``merchant``."""
    return {
        "MODE": merchant.mode.value,
        "APPID": merchant.appid,
        "APPIDS": list(merchant.appids),
        "MCH_ID": merchant.mch_id,
        "SUB_MCH_ID": merchant.sub_mch_id,
        "API_KEY": merchant.api_key.reveal(),
        "SIGN_TYPE": merchant.sign_type.value,
        "HOSTS": list(hosts),
    }


@pytest.fixture
def configure(shop: str, settings: Any) -> Callable[..., None]:
    """Point every merchant of the shop to the hosts given; more settings may follow."""

    def point_to(*hosts: str, **more: Any) -> None:
        settings.WXPAY = {
            "NOTIFY_BASE_URL": shop,
            "TIMEOUT": (PATIENT_S, PATIENT_S),
            "MERCHANTS": {merchant.alias: entry(merchant, *hosts) for merchant in MERCHANTS},
            **more,
        }

    return point_to


@pytest.fixture
def simulator() -> Simulator:
    return create_app(MERCHANTS, options=Options())


@pytest.fixture
def stage(
    shop: str,
    simulator: Simulator,
    configure: Callable[..., None],
    ears: Ears,
    settings: Any,
) -> Iterator[Stage]:
    """Everybody in place, and afterwards: nothing crashed, and no key was said or kept."""
    with ExitStack() as on_stage:
        url = on_stage.enter_context(running(simulator))
        configure(url)
        people = [on_stage.enter_context(ears.listen_to(requests.Session())) for _ in range(4)]
        for person in people:
            # Whatever the language of the project.
            person.headers["Accept-Language"] = "en"
        passer_by, control, clerk, keeper = people
        clerk.auth = (_clerk(), PASSWORD)
        yield Stage(
            shop=shop,
            wechat=WeChatPay(url, control),
            clerk=Clerk(shop, clerk),
            keeper=Keeper(shop, keeper),
            http=passer_by,
            settings=settings,
        )
    assert ears.crashes() == []
    assert ears.told(KEYS) == []
    assert not any(key in text for text in stored() for key in KEYS)


def _clerk() -> str:
    clerk = User.objects.create_user("clerk", password=PASSWORD)
    ours = Permission.objects.filter(content_type__app_label="django_wxpay")
    clerk.user_permissions.set(ours)
    return clerk.username


@pytest.fixture
def keeper(stage: Stage) -> Keeper:
    """The keeper, logged in to the admin."""
    User.objects.create_superuser("keeper", password=PASSWORD)
    stage.keeper.log_in("keeper", PASSWORD)
    return stage.keeper


@pytest.fixture
def told() -> Iterator[list[tuple[str, str]]]:
    """Return what the shop's own code was told, as (signal, out_trade_no)."""
    heard: list[tuple[str, str]] = []

    def hear_paid(sender: Any, order: Order, **kwargs: Any) -> None:
        heard.append(("paid", order.out_trade_no))

    def hear_conflict(sender: Any, order: Order, **kwargs: Any) -> None:
        heard.append(("conflicted", order.out_trade_no))

    order_paid.connect(hear_paid)
    order_conflicted.connect(hear_conflict)
    yield heard
    order_paid.disconnect(hear_paid)
    order_conflicted.disconnect(hear_conflict)
