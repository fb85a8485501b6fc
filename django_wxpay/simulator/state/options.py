"""Options of the simulated gateway, where WeChat Pay's own documents leave room."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from django_wxpay.simulator.v3.demo_keys import KeyMaterial


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The switches of protocol-v2 sections 3.2, 3.4, 3.7, 6.1, 11 and protocol-v3 section 12.

    The defaults are strict.

    ``error_shape``: whether an unreadable, unsigned or invalid request is answered as the real
    gateway does it (``return_code`` FAIL and a text) or as its tables say (``err_code``).
    ``length_unit``: what the lengths of ``body`` and ``attach`` count.
    ``minimum_expire_s``: how far ahead ``time_expire`` must lie.
    ``close_after_s``: how old an order must be before closeorder takes it; documented as 300.
    ``close_again``: what closing a closed order answers.
    ``mainland_cny_only``: whether direct mainland merchants are refused every other currency.
    ``sub_mch_ids``: the sub-merchants that institutions have; empty means any number.
    ``merchant_category_codes``: the codes that global orders may name; empty means any four
    digits.
    ``contribution_spelling``: how global orders spell WeChat Pay's part of a promotion,
    ``wxpay_contribute_amount`` as in the tables or ``wechatpay_...`` as in the examples.
    ``reseal``: whether each attempt at a v3 callback is encrypted anew, or only signed anew.
    ``probe_share``: which share of v3 answers and callbacks has a wrong signature on purpose.
    ``material``: the key pairs that v3 messages are signed with.
    ``live``: whether notifications leave on threads of their own. None means: unless a
    ``clock`` or a ``deliver`` of the caller's own is used.
    ``notify_timeout_s``: how long the receiver of a notification may take (protocol-v2
    section 7.1).
    ``h5_origin``: the start of ``h5_url`` and ``mweb_url``. "" means WeChat Pay's own where the
    gateway was called under one of its names, and else the address that was called.
    ``own_hosts``: further names, without ports, under which the pages and the control plane answer;
    loopback names and the address that is served at need no entry.
    ``ledger_size``: how many requests, reports and notification attempts are remembered.
    ``entropy``: the source of nonces and identifiers.
    """

    error_shape: Literal["realistic", "documented"] = "realistic"
    length_unit: Literal["bytes", "chars"] = "bytes"
    minimum_expire_s: int = 300
    close_after_s: int = 0
    close_again: Literal["ORDERCLOSED", "SUCCESS"] = "ORDERCLOSED"
    mainland_cny_only: bool = False
    sub_mch_ids: frozenset[str] = frozenset()
    merchant_category_codes: frozenset[str] = frozenset()
    contribution_spelling: Literal["wxpay", "wechatpay"] = "wxpay"
    reseal: bool = False
    probe_share: float = 0.0
    material: KeyMaterial = field(default_factory=KeyMaterial)
    live: bool | None = None
    notify_timeout_s: float = 5.0
    h5_origin: str = ""
    own_hosts: frozenset[str] = frozenset()
    ledger_size: int = 10_000
    entropy: Callable[[int], bytes] = secrets.token_bytes
