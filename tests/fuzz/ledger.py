"""A fake WeChat Pay: the trades that it holds, and its answers to our questions.

It answers by its ledger alone, whatever was posted to notify_url, so the ledger is what the
oracle compares our orders with.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import requests
from requests.adapters import BaseAdapter

from django_wxpay.protocol import v2
from django_wxpay.protocol.v3.signing import signed_headers
from tests.fuzz.merchants import ACCOUNTS, CERTIFICATE, Account
from tests.protocol.v3 import keys
from tests.wechatpay.v3 import listing


@dataclass(slots=True, kw_only=True, eq=False)
class Trade:
    """One trade as WeChat Pay has it; ``refunds`` are (status, amount) by their numbers.

    ``spoils`` are changes to what is answered about it; None drops a member.
    """

    account: Account
    out_trade_no: str
    total_fee: int
    transaction_id: str
    state: str = "NOTPAY"
    fee_type: str = "CNY"
    trade_type: str = "NATIVE"
    attach: str = ""
    refunds: dict[str, tuple[str, int]] = field(default_factory=dict)
    spoils: dict[str, Any] = field(default_factory=dict)

    @property
    def is_paid(self) -> bool:
        return self.state in {"SUCCESS", "REFUND"}


class Ledger(BaseAdapter):
    """WeChat Pay behind every merchant's host; ``calls`` holds the moments and what about."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._now = now
        self._listed: dict[str, bytes] = {}
        self.trades: dict[tuple[str, str], Trade] = {}
        self.calls: list[tuple[datetime, str]] = []
        self.counts: Counter[str] = Counter()

    def hold(self, trades: list[Trade]) -> None:
        """Add ``trades`` to what WeChat Pay knows."""
        self.trades |= {(trade.account.mch_id, trade.out_trade_no): trade for trade in trades}

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        answer = self._v3 if url.path.startswith("/v3/") else self._v2
        status, body, headers = answer(url.path, parse_qs(url.query), request)
        response = requests.Response()
        response.status_code, response.raw = status, BytesIO(body)
        response.headers.update(headers)
        response.request, response.url = request, str(request.url)
        return response

    def close(self) -> None:
        pass

    def _note(self, kind: str, about: str) -> None:
        self.counts[kind] += 1
        self.calls.append((self._now(), about))

    def _v2(self, path: str, _query: Any, request: Any) -> tuple[int, bytes, dict[str, str]]:
        sent = v2.decode_xml(_octets(request.body))
        asked = "refunds of" if path == "/pay/refundquery" else "order"
        number = sent.get("out_trade_no", "") or sent.get("out_refund_no", "")
        self._note(f"v2 {path}", f"{asked} {sent['mch_id']} {number}")
        account = next(one for one in ACCOUNTS.values() if one.mch_id == sent["mch_id"])
        fields = {
            "return_code": "SUCCESS",
            "return_msg": "OK",
            "appid": sent["appid"],
            "mch_id": sent["mch_id"],
            "sub_mch_id": sent.get("sub_mch_id", ""),
            "nonce_str": "answernonce",
            "result_code": "SUCCESS",
        }
        fields |= self._found(path, sent)
        signed = v2.sign(fields, account.api_key, sent.get("sign_type", "MD5"))
        return 200, v2.encode_xml({**fields, "sign": signed}), {}

    def _found(self, path: str, sent: Mapping[str, str]) -> dict[str, str]:
        """Return what v2 answers to a query of an order, or of the refunds of one."""
        trade = self._trade(sent)
        if path == "/pay/orderquery" and trade is not None:
            spoilt = _spoilt(trade_fields(trade), trade)
            # What only v3 has is no text.
            return {name: each for name, each in spoilt.items() if isinstance(each, str)}
        if path == "/pay/refundquery" and trade is not None and trade.refunds:
            return refund_fields(trade)
        missing = "REFUNDNOTEXIST" if path == "/pay/refundquery" else "ORDERNOTEXIST"
        return {"result_code": "FAIL", "err_code": missing}

    def _trade(self, sent: Mapping[str, str]) -> Trade | None:
        if number := sent.get("out_trade_no", ""):
            return self.trades.get((sent["mch_id"], number))
        refund = sent.get("out_refund_no", "")
        mine = (trade for (mch_id, _), trade in self.trades.items() if mch_id == sent["mch_id"])
        return next((trade for trade in mine if refund in trade.refunds), None)

    def _v3(self, path: str, query: Any, request: Any) -> tuple[int, bytes, dict[str, str]]:
        if path.endswith("/certificates"):
            return self._certificates(request)
        if "/refund" in path:
            return self._v3_refunds(path, query, request)
        (mch_id,) = query.get("mchid") or query.get("sp_mchid") or [""]
        number = unquote(path.rpartition("/")[2])
        self._note("v3 query", f"order {mch_id} {number}")
        trade = self.trades.get((mch_id, number))
        if trade is None:
            return 404, b'{"code": "ORDER_NOT_EXIST", "message": "no such order"}', {}
        return self._signed(
            trade.account, json.dumps(_spoilt(trade_content(trade), trade)).encode()
        )

    def _v3_refunds(self, path: str, query: Any, request: Any) -> tuple[int, bytes, dict[str, str]]:
        """Answer a query of one refund, or of all that an order has (global alone)."""
        # Mainland's query does not name the merchant; the signature does.
        mch_id = request.headers["Authorization"].partition('mchid="')[2].partition('"')[0]
        last = unquote(path.rpartition("/")[2])
        if last == "refunds":
            (number,) = query["out_trade_no"]
            self._note("v3 refund list", f"refunds of {mch_id} {number}")
            trade = self.trades.get((mch_id, number))
            rows = [refund_content(trade, each) for each in trade.refunds] if trade else []
            answer: dict[str, Any] = {"total_num": len(rows), "data": rows}
        else:
            self._note("v3 refund query", f"refund {mch_id} {last}")
            trade = self._trade({"mch_id": mch_id, "out_refund_no": last})
            answer = refund_content(trade, last) if trade else {}
        if trade is None or not trade.refunds:
            return 404, b'{"code": "RESOURCE_NOT_EXISTS", "message": "no such refund"}', {}
        return self._signed(trade.account, json.dumps(answer).encode())

    def _certificates(self, request: Any) -> tuple[int, bytes, dict[str, str]]:
        claimed = request.headers["Authorization"].partition('mchid="')[2].partition('"')[0]
        account = next(one for one in ACCOUNTS.values() if one.mch_id == claimed)
        self._note("v3 certificates", f"certificates {claimed}")
        if claimed not in self._listed:
            self._listed[claimed] = listing({keys.PLATFORM_SERIAL: CERTIFICATE}, account.api_v3_key)
        return self._signed(account, self._listed[claimed])

    def _signed(self, account: Account, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        headers = signed_headers(
            body,
            serial=account.serial,
            private_key=account.platform_key,
            timestamp=int(self._now().timestamp()),
            nonce=secrets.token_hex(16),
        )
        return 200, body, headers


def trade_fields(trade: Trade) -> dict[str, str]:
    """Return what an answer of v2 says of ``trade``."""
    fields = {"out_trade_no": trade.out_trade_no, "trade_state": trade.state}
    if trade.is_paid:
        fields |= {
            "transaction_id": trade.transaction_id,
            "total_fee": str(trade.total_fee),
            "cash_fee": str(trade.total_fee),
            "fee_type": trade.fee_type,
            "trade_type": trade.trade_type,
            "attach": trade.attach,
            "bank_type": "OTHERS",
            "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
            "is_subscribe": "N",
            "time_end": "20260101000130",
        }
    return fields


def refund_id(out_refund_no: str) -> str:
    """Return WeChat Pay's number of a refund."""
    return f"503{int(hashlib.sha256(out_refund_no.encode()).hexdigest(), 16) % 10**25:025d}"


def refund_fields(trade: Trade) -> dict[str, str]:
    """Return what v2 lists of the refunds of ``trade``."""
    fields = {
        "out_trade_no": trade.out_trade_no,
        "transaction_id": trade.transaction_id,
        "total_fee": str(trade.total_fee),
        "cash_fee": str(trade.total_fee),
        "fee_type": trade.fee_type,
        "refund_count": str(len(trade.refunds)),
        "total_refund_count": str(len(trade.refunds)),
    }
    for at, (number, (status, fee)) in enumerate(trade.refunds.items()):
        fields |= {
            f"out_refund_no_{at}": number,
            f"refund_id_{at}": refund_id(number),
            f"refund_fee_{at}": str(fee),
            f"refund_status_{at}": status,
            f"refund_channel_{at}": "ORIGINAL",
        }
    return fields


def identity(account: Account) -> dict[str, str]:
    """Return the members of v3 that name the merchant."""
    if account.is_institution:
        owner = {"sp_mchid": account.mch_id, "sub_mchid": account.sub_mch_id}
        return owner | {"sp_appid": account.appid}
    return {"mchid": account.mch_id, "appid": account.appid}


def trade_content(trade: Trade) -> dict[str, Any]:
    """Return the order object of v3, of the merchant's own family."""
    content: dict[str, Any] = {
        **identity(trade.account),
        "out_trade_no": trade.out_trade_no,
        "trade_type": trade.trade_type,
        "trade_state": trade.state,
        "trade_state_desc": "as the ledger says",
        "attach": trade.attach,
    }
    if trade.is_paid:
        name = "id" if trade.account.is_global else "transaction_id"
        content |= {
            name: trade.transaction_id,
            "bank_type": "OTHERS",
            "success_time": "2026-01-01T00:01:30+08:00",
            "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
            "amount": {
                "total": trade.total_fee,
                "payer_total": trade.total_fee,
                "currency": trade.fee_type,
                "payer_currency": trade.fee_type,
            },
        }
    return content


def refund_content(trade: Trade, out_refund_no: str) -> dict[str, Any]:
    """Return the refund object of v3, of the merchant's own family."""
    status, fee = trade.refunds.get(out_refund_no, ("SUCCESS", trade.total_fee))
    amount: dict[str, Any] = {"total": trade.total_fee, "refund": fee}
    amount |= {"payer_total": trade.total_fee, "payer_refund": fee}
    if trade.account.is_global:
        amount["currency"] = trade.fee_type
    return {
        **identity(trade.account),
        "out_trade_no": trade.out_trade_no,
        "transaction_id": trade.transaction_id,
        "out_refund_no": out_refund_no,
        "refund_id": refund_id(out_refund_no),
        "status": status,
        "success_time": "2026-01-02T00:00:00+08:00",
        "user_received_account": "balance",
        "amount": amount,
    }


def _spoilt(content: dict[str, Any], trade: Trade) -> dict[str, Any]:
    changed = {**content, **trade.spoils}
    return {name: value for name, value in changed.items() if value is not None}


def _octets(body: Any) -> bytes:
    return body if isinstance(body, bytes) else str(body).encode()
