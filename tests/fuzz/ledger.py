"""A fake WeChat Pay: the trades that it holds, and its answers to our questions.

It answers by its ledger alone, whatever was posted to notify_url, so the ledger is what the
oracle compares our orders with.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable
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
        number = sent.get("out_trade_no", "") or sent.get("out_refund_no", "")
        self._note(f"v2 {path}", f"order {sent['mch_id']} {number}")
        account = next(one for one in ACCOUNTS.values() if one.mch_id == sent["mch_id"])
        fields = {
            "return_code": "SUCCESS",
            "return_msg": "OK",
            "appid": sent["appid"],
            "mch_id": sent["mch_id"],
            "sub_mch_id": sent.get("sub_mch_id", ""),
            "nonce_str": "answernonce",
        }
        trade = self.trades.get((sent["mch_id"], number)) if path == "/pay/orderquery" else None
        if trade is None:
            fields |= {"result_code": "FAIL", "err_code": "ORDERNOTEXIST"}
        else:
            spoilt = _spoilt(trade_fields(trade), trade)
            # What only v3 has is no text.
            fields |= {name: each for name, each in spoilt.items() if isinstance(each, str)}
            fields["result_code"] = "SUCCESS"
        signed = v2.sign(fields, account.api_key, sent.get("sign_type", "MD5"))
        return 200, v2.encode_xml({**fields, "sign": signed}), {}

    def _v3(self, path: str, query: Any, request: Any) -> tuple[int, bytes, dict[str, str]]:
        if path.endswith("/certificates"):
            return self._certificates(request)
        (mch_id,) = query.get("mchid") or query.get("sp_mchid") or [""]
        number = unquote(path.rpartition("/")[2])
        self._note("v3 query", f"order {mch_id} {number}")
        trade = self.trades.get((mch_id, number))
        if trade is None:
            return 404, b'{"code": "ORDER_NOT_EXIST", "message": "no such order"}', {}
        return self._signed(
            trade.account, json.dumps(_spoilt(trade_content(trade), trade)).encode()
        )

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


def _spoilt(content: dict[str, Any], trade: Trade) -> dict[str, Any]:
    changed = {**content, **trade.spoils}
    return {name: value for name, value in changed.items() if value is not None}


def _octets(body: Any) -> bytes:
    return body if isinstance(body, bytes) else str(body).encode()
