"""Recording of gateway calls.

Each attempt on the wire is one row. A row that cannot be written is counted and logged, and
never fails the call or its caller's transaction.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from typing import Any, Final

from django.db import Error

from django_wxpay import conf
from django_wxpay.gateway import CallRecord
from django_wxpay.models import ApiReport
from django_wxpay.models.choices import ReportStatuses
from django_wxpay.protocol.errors import ConfigurationError, UnknownMerchant
from django_wxpay.protocol.merchants import Merchant, Mode
from django_wxpay.protocol.v2.reports import Reporter
from django_wxpay.services import telemetry
from django_wxpay.services.statements import Insert
from django_wxpay.services.transactions import atomic, in_transaction

logger = logging.getLogger("django_wxpay.latency")

# Rows that this process could not write, by merchant.
lost_records: Counter[str] = Counter()

# A column has the name of its field. ``started_at`` is the column ``created_at``, and the method
# is not stored.
_COLUMNS: Final = tuple(
    field.name for field in fields(CallRecord) if field.name not in {"method", "started_at"}
)
_ROW: Final = Insert(ApiReport)


def record_call(merchant: str, record: CallRecord, *, is_counted: bool = True) -> None:
    """Write down one attempt, and by ``REPORT_LEVEL`` whether it is to be reported.

    An attempt that is not counted, such as a probe of the doctor, is in no latency figure.
    Never raises for a database in trouble.
    """
    telemetry.call_ended(merchant, record)
    values = {name: getattr(record, name) for name in _COLUMNS} | {
        "merchant": merchant,
        "created_at": record.started_at,
        "report_status": _first_status(merchant, record),
        # The roll-up skips rows that have this mark, so the attempt enters no figure.
        "is_rolled_up": not is_counted,
    }
    try:
        with _isolated():
            _ROW.run(ApiReport(**values))
    except (Error, ValueError):
        # Drivers raise ValueError for text that no database takes, such as one with a NUL.
        lost_records[merchant] += 1
        logger.warning(
            "a latency report of merchant %s was lost (%d)", merchant, lost_records[merchant]
        )


def _isolated() -> AbstractContextManager[Any]:
    # PostgreSQL refuses every statement after a failed one, unless a savepoint undoes that one.
    return atomic() if in_transaction() else nullcontext()


def _first_status(alias: str, record: CallRecord) -> ReportStatuses:
    if not _may_be_reported(alias, record):
        return ReportStatuses.NOT_REPORTABLE
    level = conf.current().report_level
    has_failed = record.failure or "FAIL" in {record.return_code, record.result_code}
    if level == "all" or (level == "errors" and has_failed):
        return ReportStatuses.PENDING
    return ReportStatuses.SKIPPED


def _may_be_reported(alias: str, record: CallRecord) -> bool:
    try:
        return can_report(conf.merchant(alias), record)
    except UnknownMerchant:
        return False
    except ConfigurationError:
        # A source of merchants that is down decides nothing: whoever sends the row asks it again.
        return True


def can_report(account: Merchant, call: CallRecord | ApiReport | Reporter) -> bool:
    """Say whether a call, or a sale, can be reported with the settings of ``account``.

    A report needs a v2 key, which belongs to one mch_id. From an institution it names a
    sub-merchant: the call's, or that of the settings. Source: protocol-v2 section 8.1.
    """
    if not account.api_key or account.mch_id != call.mch_id:
        return False
    return account.mode is not Mode.INSTITUTIONAL or bool(call.sub_mch_id or account.sub_mch_id)
