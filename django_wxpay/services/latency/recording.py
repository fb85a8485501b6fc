"""Every call on the wire becomes a row; a row that cannot be written never fails the call."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import Error, models, router, transaction

from django_wxpay import conf
from django_wxpay.gateway import CallRecord
from django_wxpay.models import ApiReport
from django_wxpay.models.choices import ReportStatuses
from django_wxpay.protocol.merchants import Merchant, Mode
from django_wxpay.services.transactions import is_open

logger = logging.getLogger("django_wxpay.latency")

# What this process could not write down, by merchant.
lost: Counter[str] = Counter()


def record_call(merchant: str, record: CallRecord, *, is_counted: bool = True) -> None:
    """Write one attempt down, and whether it is to be reported (``REPORT_LEVEL``).

    One that is not counted, such as a question of the doctor's, is in no figure of latency.

    Never raises for a database in trouble, nor spoils the caller's transaction: it counts
    and logs.
    """
    values: dict[str, Any] = {
        "merchant": merchant,
        "mch_id": record.mch_id,
        "appid": record.appid,
        "sub_appid": record.sub_appid,
        "sub_mch_id": record.sub_mch_id,
        "api": record.api,
        "interface_url": record.interface_url,
        "host": record.host,
        "is_standby": record.is_standby,
        "out_trade_no": record.out_trade_no,
        "device_info": record.device_info,
        "user_ip": record.user_ip,
        "execute_time_ms": record.execute_time_ms,
        "http_status": record.http_status,
        "failure": str(record.failure),
        "return_code": record.return_code,
        "return_msg": record.return_msg,
        "result_code": record.result_code,
        "err_code": record.err_code,
        "err_code_des": record.err_code_des,
        "request_id": record.request_id,
        "created_at": record.started_at,
        "report_status": _first_status(merchant, record),
        "is_rolled_up": not is_counted,
    }
    try:
        with _apart():
            ApiReport.objects.create(**{name: _fitting(name, v) for name, v in values.items()})
    except (Error, ValueError):
        # A text that no database takes, such as one with a NUL, is a ValueError of the driver's.
        lost[merchant] += 1
        logger.warning("a latency report of merchant %s was lost (%d)", merchant, lost[merchant])


def _apart() -> AbstractContextManager[Any]:
    """Return what keeps a failing statement from undoing a transaction that is open around it."""
    using = router.db_for_write(ApiReport)
    return transaction.atomic(using=using) if is_open() else nullcontext()


def _first_status(alias: str, record: CallRecord) -> ReportStatuses:
    account = conf.merchants().get(alias)
    if account is None or not can_report(account, mch_id=record.mch_id, sub_of=record.sub_mch_id):
        return ReportStatuses.NOT_REPORTABLE
    level = conf.current().report_level
    went_wrong = record.failure or "FAIL" in {record.return_code, record.result_code}
    if level == "all" or (level == "errors" and went_wrong):
        return ReportStatuses.PENDING
    return ReportStatuses.SKIPPED


def can_report(account: Merchant, *, mch_id: str, sub_of: str) -> bool:
    """Say whether a call of ``mch_id``, for the sub-merchant ``sub_of`` if any, can be reported.

    It takes a v2 key, the number that the key belongs to, and for an institution a
    sub-merchant, the call's or that of the settings (protocol-v2 section 8.1).
    """
    if not account.api_key or account.mch_id != mch_id:
        return False
    return account.mode is not Mode.INSTITUTIONAL or bool(sub_of or account.sub_mch_id)


def _fitting(name: str, value: Any) -> Any:
    """Cut what an answer said to its column; a gateway's sentence may be any length."""
    field = ApiReport._meta.get_field(name)  # noqa: SLF001 - Django's documented model API
    if isinstance(field, models.CharField):
        return str(value)[: field.max_length]
    return value
