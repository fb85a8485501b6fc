"""Every call on the wire becomes a row; a row that cannot be written never fails the call."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from django.db import DatabaseError, models

from django_wxpay.gateway import CallRecord
from django_wxpay.models import ApiReport

logger = logging.getLogger("django_wxpay.latency")

# What this process could not write down, by merchant.
lost: Counter[str] = Counter()


def record_call(merchant: str, record: CallRecord) -> None:
    """Write one attempt down. Never raises for a database in trouble: it counts and logs."""
    values: dict[str, Any] = {
        "merchant": merchant,
        "mch_id": record.mch_id,
        "appid": record.appid,
        "sub_mch_id": record.sub_mch_id,
        "api": record.api,
        "interface_url": record.interface_url,
        "host": record.host,
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
    }
    try:
        ApiReport.objects.create(**{name: _fitting(name, value) for name, value in values.items()})
    except DatabaseError:
        lost[merchant] += 1
        logger.warning("a latency report of merchant %s was lost (%d)", merchant, lost[merchant])


def _fitting(name: str, value: Any) -> Any:
    """Cut what an answer said to its column; a gateway's sentence may be any length."""
    field = ApiReport._meta.get_field(name)  # noqa: SLF001 - Django's documented model API
    if isinstance(field, models.CharField):
        return str(value)[: field.max_length]
    return value
