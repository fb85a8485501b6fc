"""Bills fetched from WeChat Pay, each by one process at a time, and kept when they are readable.

A bill that was fetched is not fetched again: what WeChat Pay has printed of a day stays.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import date, timedelta
from functools import partial
from typing import IO, Any, Final

from django.db.models import QuerySet

from django_wxpay import conf
from django_wxpay.models import Bill
from django_wxpay.models.choices import BillStatuses
from django_wxpay.protocol.bills.requests import check_bill
from django_wxpay.protocol.bills.rows import AccountType, BillKind, BillRequest
from django_wxpay.protocol.bills.trades import TradeBillReader
from django_wxpay.protocol.errors import BillNotReady, InvalidParameter, WXPayError
from django_wxpay.protocol.merchants import Merchant, Mode
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.v3.fields import ID
from django_wxpay.services import clock, gateways
from django_wxpay.services.bills import storage
from django_wxpay.services.bills.days import as_date
from django_wxpay.services.bills.reading import reader_of, unpacked
from django_wxpay.services.claims import claim
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock

logger = logging.getLogger("django_wxpay.bills")

# Longer than the hosts of a merchant take, one after the other.
LEASE: Final = timedelta(minutes=30)
PAUSE: Final = timedelta(minutes=30)
FETCHED: Final = frozenset({BillStatuses.DOWNLOADED, BillStatuses.RECONCILED, BillStatuses.EMPTY})


@conf.same_account()
def download_bill(
    merchant: str = "default",
    *,
    bill_date: date | str,
    kind: str = "trade",
    account_type: str = "BASIC",
    sub_mch_id: str = "",
) -> Bill:
    """Fetch the bill of one Beijing day, or return the one that was fetched before. Network.

    ``kind`` is "trade" or "fundflow", ``account_type`` (BASIC, OPERATION or FEES) is a fund
    flow's, and ``sub_mch_id`` an institution's. The file is kept in ``BILL_STORAGE``; a day
    without business is a ``Bill`` with the status EMPTY, and no file. Raises ``UnknownMerchant``,
    ``InvalidParameter``, ``BillNotReady`` (try later; also while another process fetches it),
    ``InvalidBill``, ``BillStorageError``, ``Refused``, ``OutcomeUnknown`` and
    ``InsideTransaction``. Source: protocol-v2 section 6.6, protocol-v3 sections 3.7 and 4.5.
    """
    require_no_transaction("download_bill")
    account = conf.merchant(merchant)
    request = _request(account, as_date(bill_date), kind, account_type, sub_mch_id)
    # What is kept outlives the months in which WeChat Pay gives it out.
    if kept := Bill.objects.filter(**_key(account, request), status__in=FETCHED).first():
        return kept
    check_bill(request, now=clock.now(), region=account.region, api=account.api)
    bill, _ = Bill.objects.get_or_create(
        **_key(account, request),
        defaults={"mch_id": account.mch_id, "created_at": clock.now()},
    )
    return bill if bill.status in FETCHED else _fetch(bill, request)


def _request(
    account: Merchant, day: date, kind: str, account_type: str, sub_mch_id: str
) -> BillRequest:
    if kind not in set(BillKind):
        raise InvalidParameter("kind", _("is not known"), ", ".join(BillKind))
    if account_type not in set(AccountType):
        raise InvalidParameter("account_type", _("is not known"), ", ".join(AccountType))
    if sub_mch_id and (account.mode is not Mode.INSTITUTIONAL or ID.problem(sub_mch_id)):
        rule = _("%(text)s, of a merchant whose MODE is institutional", text=ID.text)
        raise InvalidParameter("sub_mch_id", _("does not fit"), rule)
    return BillRequest(
        bill_date=day,
        kind=BillKind(kind),
        account_type=AccountType(account_type),
        sub_mch_id=sub_mch_id,
    )


def _key(account: Merchant, request: BillRequest) -> dict[str, Any]:
    is_flow = request.kind is BillKind.FUND_FLOW
    return {
        "merchant": account.alias,
        "kind": request.kind.value,
        "bill_date": request.bill_date,
        "account_type": request.account_type.value if is_flow else "",
        "sub_mch_id": request.sub_mch_id,
    }


def _fetch(bill: Bill, request: BillRequest) -> Bill:
    rows = Bill.objects.filter(pk=bill.pk).exclude(status__in=FETCHED)
    until = clock.now() + LEASE
    if not retry_on_lock(partial(claim, rows, "claimed_until", until, longest=LEASE)):
        bill.refresh_from_db()
        if bill.status in FETCHED:
            return bill
        raise BillNotReady(f"another process is fetching the bill of {bill.bill_date}")
    # Whoever took longer than that says nothing of a bill that another process has fetched since.
    held = Bill.objects.filter(pk=bill.pk, claimed_until=until)
    try:
        columns = _fetched(bill, request)
    except BillNotReady as error:
        _save(held, status=BillStatuses.PENDING, **_again(bill, error))
        raise
    except WXPayError as error:
        logger.warning("the bill %s was not fetched: %s", bill, error)
        _save(held, status=BillStatuses.FAILED, **_again(bill, error))
        raise
    _save(held, tries=bill.tries + 1, error="", next_try_at=None, **columns)
    retry_on_lock(bill.refresh_from_db)
    return bill


def _fetched(bill: Bill, request: BillRequest) -> dict[str, Any]:
    """Fetch and keep the file, and return what the row says of it."""
    name = storage.name_of(bill)
    with storage.new_file(name) as file:
        sink = storage.FileSink(file, name)
        fetched = gateways.gateway(bill.merchant).fetch_bill(request, sink)
        now = clock.now()
        if fetched.is_empty:
            return {"status": BillStatuses.EMPTY, "downloaded_at": now}
        sink.end()
        contents = _contents(bill, file)
        sink.end()
        kept = storage.keep(name, file)
        return {
            "status": BillStatuses.DOWNLOADED,
            "file": kept,
            "sha1": fetched.sha1,
            "downloaded_at": now,
            **contents,
        }


def _contents(bill: Bill, file: IO[bytes]) -> dict[str, Any]:
    """Read the file once through: what is kept can be read, and its sums are known."""
    reader = reader_of(bill, unpacked(file, storage.name_of(bill)))
    rows = reader.entries() if isinstance(reader, TradeBillReader) else reader.rows()
    for _row in rows:
        pass
    totals = {currency: asdict(sums) for currency, sums in reader.totals.items()}
    return {"row_count": reader.row_count, "totals": totals}


def _again(bill: Bill, error: WXPayError) -> dict[str, Any]:
    return {
        "tries": bill.tries + 1,
        "error": f"{type(error).__name__}: {error}",
        "next_try_at": clock.now() + PAUSE,
    }


def _save(held: QuerySet[Bill], **columns: Any) -> None:
    retry_on_lock(partial(held.update, claimed_until=None, **columns))
