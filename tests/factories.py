"""Rows for tests, as the services would have written them.

``trade_state`` is set here directly, because a factory makes a past, not a move.
"""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import factory
from django.contrib.auth.models import Permission, User
from factory.builder import DeclarationSet
from factory.django import DjangoModelFactory

from django_wxpay.models import (
    ApiReport,
    BackgroundJob,
    Bill,
    CertificateDownload,
    Discrepancy,
    Fee,
    Notification,
    Order,
    OrderEvent,
    PlatformCertificate,
    Prepay,
    Promotion,
    Refund,
    RefusalCount,
)
from django_wxpay.services.latency.rollup import start_of_hour

# A trait that is not asked for is looked for, and factory_boy writes all that a factory declares
# into the error that it then passes over: a fifth of the time that a row takes.
DeclarationSet.__repr__ = object.__repr__

START = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
CODE_URL = "weixin://wxpay/bizpayurl?pr=TEST123"

_minutes = itertools.count()


def _tick() -> datetime:
    """Return a moment later than any before, so that order of making is order of time."""
    return START + timedelta(minutes=next(_minutes))


class OrderFactory(DjangoModelFactory[Order]):
    """An order that is accepted and waits for its customer; traits for what came later."""

    class Meta:
        model = Order

    class Params:
        created = factory.Trait(trade_state="CREATED")
        refused = factory.Trait(
            trade_state="CREATED",
            err_code="NOTENOUGH",
            err_code_des="the balance does not suffice",
        )
        paid = factory.Trait(
            trade_state="SUCCESS",
            trade_state_desc="支付成功",
            transaction_id=factory.Sequence(lambda n: f"42000000022026010{n:011d}"),
            success_time=factory.LazyAttribute(lambda o: o.created_at + timedelta(seconds=90)),
            bank_type="CMB_CREDIT",
            payer_openid=OPENID,
            payer_total=factory.SelfAttribute("total_fee"),
            payer_currency="CNY",
            cash_fee=factory.SelfAttribute("total_fee"),
            cash_fee_type="CNY",
        )
        foreign = factory.Trait(
            fee_type="HKD",
            exchange_rate_type="SETTLEMENT_RATE",
            exchange_rate=Decimal("0.80000000"),
            settlement_total_fee=1000,
        )
        closed = factory.Trait(trade_state="CLOSED")
        jsapi = factory.Trait(trade_type="JSAPI", product_id="", openid=OPENID)

    merchant = "default"
    mch_id = "1900000109"
    appid = "wx8888888888888888"
    reference = factory.Sequence(lambda n: f"S-{n:06d}")
    out_trade_no = factory.Sequence(lambda n: f"20260101160000{n:018d}")
    trade_type = "NATIVE"
    body = "Longjing tea, 100 g"
    total_fee = 1250
    fee_type = "CNY"
    product_id = "TEA-100"
    spbill_create_ip = "203.0.113.7"
    notify_url = "https://shop.example.com/wxpay/notify/default/payment/"
    trade_state = "NOTPAY"
    created_at = factory.LazyFunction(_tick)
    updated_at = factory.SelfAttribute("created_at")


class PrepayFactory(DjangoModelFactory[Prepay]):
    """A prepay that is long over, unless ``live``."""

    class Meta:
        model = Prepay

    class Params:
        live = factory.Trait(
            created_at=factory.LazyFunction(lambda: datetime.now(UTC)),
        )

    order = factory.SubFactory(OrderFactory)
    prepay_id = factory.Sequence(lambda n: f"wx0116{n:030d}")
    trade_type = factory.SelfAttribute("order.trade_type")
    code_url = factory.LazyAttribute(lambda o: CODE_URL if o.trade_type == "NATIVE" else "")
    mweb_url = ""
    sign_type = "HMAC-SHA256"
    created_at = factory.LazyFunction(_tick)
    expires_at = factory.LazyAttribute(lambda o: o.created_at + timedelta(hours=2))


class NotificationFactory(DjangoModelFactory[Notification]):
    """A payment notification that was applied to its order."""

    class Meta:
        model = Notification

    class Params:
        unknown = factory.Trait(order=None, outcome="FAILED", reason_code="UNKNOWN_ORDER")
        v3 = factory.Trait(
            api="v3",
            event_id=factory.Sequence(lambda n: f"0d7c4a52-5a3e-5b6f-9d0e-{n:012x}"),
            event_type="TRANSACTION.SUCCESS",
            body=factory.LazyAttribute(lambda o: _envelope(o.event_id, o.event_type)),
        )
        refund = factory.Trait(v3=True, kind="refund", event_type="REFUND.SUCCESS")
        other = factory.Trait(
            v3=True,
            order=None,
            kind="other",
            event_type="COMPLAINT.CREATE",
            out_trade_no="",
            reason_code="OTHER_PRODUCT",
            reason_params={"product": "COMPLAINT.CREATE"},
        )

    order = factory.SubFactory(OrderFactory, paid=True)
    merchant = "default"
    kind = "payment"
    fingerprint = factory.Sequence(lambda n: f"{n:064x}")
    out_trade_no = factory.LazyAttribute(
        lambda o: o.order.out_trade_no if o.order else "20260101169999nobody00000000000",
    )
    transaction_id = factory.LazyAttribute(lambda o: o.order.transaction_id if o.order else "")
    outcome = "APPLIED"
    body = factory.LazyAttribute(
        lambda o: (
            "<xml><return_code><![CDATA[SUCCESS]]></return_code>"
            f"<openid><![CDATA[{OPENID}]]></openid>"
            f"<out_trade_no><![CDATA[{o.out_trade_no}]]></out_trade_no>"
            "<total_fee>1250</total_fee><sign><![CDATA[5EC2E7]]></sign></xml>"
        ).encode(),
    )
    created_at = factory.LazyFunction(_tick)
    updated_at = factory.SelfAttribute("created_at")


def _envelope(event_id: str, event_type: str) -> bytes:
    """Return a v3 notice that is sealed, which is all that is kept of it."""
    resource = {
        "original_type": "transaction",
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": "5EC2E7" * 100,
        "associated_data": "transaction",
        "nonce": "5EC2E7000000",
    }
    members = {
        "id": event_id,
        "create_time": "2026-01-01T16:01:30+08:00",
        "resource_type": "encrypt-resource",
        "event_type": event_type,
        "summary": "支付成功",
        "resource": resource,
    }
    return json.dumps(members, ensure_ascii=False).encode()


class RefundFactory(DjangoModelFactory[Refund]):
    """Half of the money, on its way back; ``paid_back`` where it has arrived, or ``hinted``."""

    class Meta:
        model = Refund

    class Params:
        hinted = factory.Trait(position=None, refund_id="")
        unanswered = factory.Trait(refund_id="")
        refused = factory.Trait(
            refund_id="",
            refund_status="CLOSED",
            err_code="NOTENOUGH",
            err_code_des="the balance does not suffice",
        )
        paid_back = factory.Trait(
            refund_status="SUCCESS",
            user_received_account="支付用户零钱",
            success_time=factory.LazyAttribute(lambda o: o.created_at + timedelta(hours=1)),
        )

    order = factory.SubFactory(OrderFactory, paid=True)
    merchant = factory.SelfAttribute("order.merchant")
    out_refund_no = factory.Sequence(lambda n: f"R20260101{n:010d}")
    refund_id = factory.Sequence(lambda n: f"503000000020260101{n:011d}")
    # Beyond the places that services give out, which begin at 1.
    position = factory.Sequence(lambda n: n + 101)
    refund_fee = 625
    refund_desc = "one cup too many"
    refund_status = "PROCESSING"
    created_at = factory.LazyFunction(_tick)
    updated_at = factory.SelfAttribute("created_at")


class OrderEventFactory(DjangoModelFactory[OrderEvent]):
    """The news of a payment, told; ``untold`` where a receiver raised."""

    class Meta:
        model = OrderEvent

    class Params:
        untold = factory.Trait(
            dispatched_at=None,
            dispatch_attempts=2,
            dispatch_error="ValueError: the stock is gone",
            next_dispatch_at=factory.LazyFunction(lambda: datetime.now(UTC) + timedelta(hours=1)),
        )
        conflict = factory.Trait(
            order=factory.SubFactory(OrderFactory),
            kind="CONFLICTED",
            from_state="NOTPAY",
            to_state="NOTPAY",
            detail={"differences": [["total_fee", "1250", "1"]]},
            conflict_key=factory.Sequence(lambda n: f"{n:064x}"),
        )
        refunded = factory.Trait(
            kind="REFUND_SETTLED",
            from_state="SUCCESS",
            refund=factory.SubFactory(
                RefundFactory,
                order=factory.SelfAttribute("..order"),
                paid_back=True,
            ),
            source="v3.notice",
            detail=factory.LazyAttribute(
                lambda o: {
                    "out_refund_no": o.refund.out_refund_no,
                    "refund_status": o.refund.refund_status,
                },
            ),
        )

        received = factory.Trait(
            order=None,
            kind="RECEIVED",
            from_state="",
            to_state="",
            source="v3.notice",
            notification=factory.SubFactory(NotificationFactory, other=True),
            detail={"event_type": "COMPLAINT.CREATE", "resource": {"payer_openid": OPENID}},
        )

    order = factory.SubFactory(OrderFactory, paid=True)
    kind = "PAID"
    from_state = "NOTPAY"
    to_state = "SUCCESS"
    source = "v2.notice"
    created_at = factory.LazyFunction(_tick)
    dispatched_at = factory.SelfAttribute("created_at")
    dispatch_attempts = 1


class ApiReportFactory(DjangoModelFactory[ApiReport]):
    """A call that was answered in 87 ms."""

    class Meta:
        model = ApiReport

    class Params:
        failed = factory.Trait(
            failure="TIMEOUT",
            http_status=None,
            return_code="",
            return_msg="",
            result_code="",
        )

    merchant = "default"
    mch_id = "1900000109"
    appid = "wx8888888888888888"
    api = "v2"
    interface_url = "https://api.mch.weixin.qq.com/pay/unifiedorder"
    host = "api.mch.weixin.qq.com"
    out_trade_no = factory.Sequence(lambda n: f"20260101160000{n:018d}")
    execute_time_ms = 87
    http_status = 200
    return_code = "SUCCESS"
    return_msg = "OK"
    result_code = "SUCCESS"
    created_at = factory.LazyFunction(_tick)


class PromotionFactory(DjangoModelFactory[Promotion]):
    """Two yuan off, one of them WeChat Pay's, on one kind of goods."""

    class Meta:
        model = Promotion

    order = factory.SubFactory(OrderFactory, paid=True)
    promotion_id = factory.Sequence(lambda n: f"109{n:06d}")
    name = "Spring tea"
    scope = "SINGLE"
    type = "DISCOUNT"
    amount = 200
    currency = "CNY"
    activity_id = "931386"
    wxpay_contribute_amount = 100
    merchant_contribute_amount = 100
    other_contribute_amount = 0
    goods_detail = factory.LazyFunction(
        lambda: [
            {
                "goods_id": "TEA-100",
                "goods_remark": "first harvest",
                "quantity": 1,
                "price": 1450,
                "discount_amount": 200,
            },
        ],
    )


class PlatformCertificateFactory(DjangoModelFactory[PlatformCertificate]):
    """A certificate that is used for years to come; no key belongs to it."""

    class Meta:
        model = PlatformCertificate

    mch_id = "1900000109"
    serial_no = factory.Sequence(lambda n: f"{n:040X}")
    pem = "-----BEGIN CERTIFICATE-----\nTEST\n-----END CERTIFICATE-----\n"
    effective_time = START - timedelta(days=1)
    expire_time = factory.LazyFunction(lambda: datetime.now(UTC) + timedelta(days=1000))
    created_at = factory.LazyFunction(_tick)


class CertificateDownloadFactory(DjangoModelFactory[CertificateDownload]):
    """When certificates of a merchant were last asked for."""

    class Meta:
        model = CertificateDownload
        django_get_or_create = ("mch_id",)

    mch_id = "1900000109"
    claimed_at = factory.LazyFunction(_tick)


class BackgroundJobFactory(DjangoModelFactory[BackgroundJob]):
    """A job that went well; ``failing`` where it did not of late."""

    class Meta:
        model = BackgroundJob
        django_get_or_create = ("name",)

    class Params:
        failing = factory.Trait(
            failures_in_a_row=3,
            error="OperationalError: the database is away",
            finished_at=factory.LazyAttribute(lambda o: o.started_at + timedelta(seconds=5)),
        )

    name = "reports"
    started_at = factory.LazyFunction(lambda: datetime.now(UTC))
    finished_at = factory.LazyAttribute(lambda o: o.started_at + timedelta(seconds=1))
    succeeded_at = factory.LazyAttribute(lambda o: o.started_at + timedelta(seconds=1))
    counts = factory.LazyFunction(lambda: {"CALLS_REPORTED": 3})


class RefusalCountFactory(DjangoModelFactory[RefusalCount]):
    """One refusal of this hour: a wrong signature."""

    class Meta:
        model = RefusalCount
        django_get_or_create = ("hour", "merchant", "reason")

    hour = factory.LazyFunction(lambda: start_of_hour(datetime.now(UTC)))
    merchant = "default"
    reason = "WRONG"
    count = 1
    last_seen_at = factory.LazyFunction(lambda: datetime.now(UTC))


class BillFactory(DjangoModelFactory[Bill]):
    """A trade bill that was compared, each of a day of its own."""

    class Meta:
        model = Bill

    class Params:
        fetched = factory.Trait(status="DOWNLOADED", reconciled_at=None)
        empty = factory.Trait(status="EMPTY", file="", sha1="", row_count=0, totals={})
        failed = factory.Trait(
            status="FAILED",
            file="",
            sha1="",
            row_count=0,
            totals={},
            tries=3,
            error="OutcomeUnknown: no answer came",
            downloaded_at=None,
            reconciled_at=None,
        )

    merchant = "default"
    mch_id = "1900000109"
    kind = "trade"
    bill_date = factory.Sequence(lambda n: START.date() + timedelta(days=n))
    status = "RECONCILED"
    file = factory.LazyAttribute(lambda o: f"wxpay/{o.bill_date}.csv.gz")
    sha1 = factory.Sequence(lambda n: f"{n:040x}")
    row_count = 3
    totals = factory.LazyFunction(
        lambda: {
            "CNY": {
                "payments": 2,
                "paid": 2500,
                "refunds": 1,
                "refunded": 625,
                "fees_e5": 1_125_000,
            }
        }
    )
    created_at = factory.LazyFunction(_tick)
    downloaded_at = factory.SelfAttribute("created_at")
    reconciled_at = factory.SelfAttribute("created_at")


class DiscrepancyFactory(DjangoModelFactory[Discrepancy]):
    """Another amount in the bill than here; ``missing_here`` where no order has the number."""

    class Meta:
        model = Discrepancy

    class Params:
        missing_here = factory.Trait(
            kind="MISSING_HERE",
            local_order=None,
            out_trade_no=factory.Sequence(lambda n: f"20260101168888{n:018d}"),
            transaction_id=factory.Sequence(lambda n: f"42000000022026019{n:011d}"),
            ours=None,
        )
        refund = factory.Trait(
            kind="REFUND_AMOUNT",
            local_refund=factory.SubFactory(RefundFactory),
            local_order=factory.SelfAttribute("local_refund.order"),
            out_refund_no=factory.SelfAttribute("local_refund.out_refund_no"),
            refund_id=factory.SelfAttribute("local_refund.refund_id"),
            number=factory.SelfAttribute("out_refund_no"),
            ours={"refund_fee": 625, "fee_type": "CNY"},
            theirs={"refund_fee": 1, "fee_type": "CNY"},
        )
        resolved = factory.Trait(
            status="RESOLVED",
            resolution="PERSON",
            note="Paid back by hand.",
            resolved_by="ada",
            resolved_at=factory.SelfAttribute("created_at"),
        )

    bill = factory.SubFactory(BillFactory)
    kind = "AMOUNT"
    local_order = factory.SubFactory(OrderFactory, paid=True)
    out_trade_no = factory.SelfAttribute("local_order.out_trade_no")
    transaction_id = factory.SelfAttribute("local_order.transaction_id")
    number = factory.SelfAttribute("out_trade_no")
    ours = factory.LazyAttribute(lambda o: _side(o, 1250))
    theirs = factory.LazyAttribute(lambda o: _side(o, 1200))
    created_at = factory.LazyFunction(_tick)


def _side(difference: Any, total_fee: int) -> dict[str, Any]:
    return {
        "out_trade_no": difference.out_trade_no,
        "transaction_id": difference.transaction_id,
        "trade_state": "SUCCESS",
        "total_fee": total_fee,
        "fee_type": "CNY",
    }


class FeeFactory(DjangoModelFactory[Fee]):
    """0.075 CNY, which is finer than a fen."""

    class Meta:
        model = Fee

    bill = factory.SubFactory(BillFactory)
    order = factory.SubFactory(OrderFactory, paid=True)
    fee_e5 = 750_000
    currency = "CNY"
    rate = "0.60%"
    created_at = factory.LazyFunction(_tick)


class UserFactory(DjangoModelFactory[User]):
    """A person with nothing but the permissions given by name: ``("view_order", ...)``."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person{n}")

    @factory.post_generation
    def permissions(self: Any, create: bool, names: Any, **kwargs: Any) -> None:
        for name in names or ():
            self.user_permissions.add(
                Permission.objects.get(content_type__app_label="django_wxpay", codename=name),
            )


def start_again() -> None:
    """Number the rows from the first again.

    A row then does not depend on how many the tests before it made: a bill of the next free day
    could otherwise be of the very day that a test names.
    """
    global _minutes  # noqa: PLW0603
    _minutes = itertools.count()
    for made_by in DjangoModelFactory.__subclasses__():
        made_by.reset_sequence()
