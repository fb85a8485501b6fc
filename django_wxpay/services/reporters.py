"""Who tells WeChat Pay of a sale: the identity given, or else that of the settings."""

from __future__ import annotations

from typing import Final

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.merchants import Merchant, Mode
from django_wxpay.protocol.v2.reports import Reporter
from django_wxpay.protocol.v2.rules import UNIFIEDORDER_RULES, check_fields
from django_wxpay.protocol.v2.sales import check_text

_IDENTITY: Final = {name: UNIFIEDORDER_RULES[name] for name in ("appid", "sub_appid", "sub_mch_id")}


def reporter_on(path: str, account: Merchant, **told: str) -> Reporter:
    """Return who reports on the interface ``path`` of the merchant's primary host.

    ``told`` are ``appid``, ``sub_appid``, ``sub_mch_id``, ``device_info`` and ``user_ip``, ""
    for what is as the settings have it. Raises ``InvalidOrder`` for another merchant's appid,
    for what is no text or no id, and for a sub-merchant of who is no institution; that an
    institution has none is for the caller to judge.
    """
    for name, text in told.items():
        check_text(name, text)
    told["appid"] = told["appid"] or account.appid
    if not account.owns_appid(told["appid"]):
        raise InvalidOrder("appid", "is not this merchant's", "APPID or one of APPIDS")
    if account.mode is Mode.INSTITUTIONAL:
        told["sub_appid"] = told["sub_appid"] or account.sub_appid
        told["sub_mch_id"] = told["sub_mch_id"] or account.sub_mch_id
    absent = frozenset(name for name in _IDENTITY if not told[name])
    check_fields(_IDENTITY, told, mode=account.mode, leaving_out=absent)
    return Reporter(mch_id=account.mch_id, interface_url=account.hosts[0] + path, **told)
