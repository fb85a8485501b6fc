"""One request to a notify_url: the protocol that it speaks, and the row that it becomes."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from django_wxpay.models import Notification
from django_wxpay.models.choices import NotificationOutcomes
from django_wxpay.protocol.merchants import Api, Merchant
from django_wxpay.protocol.notices import Notice
from django_wxpay.services import clock

# Blanks before a document are few.
_LONGEST_START: Final = 1024

# Enough of a v3 notification's headers to verify its bytes again.
_KEPT_HEADERS: Final = frozenset(
    {
        "wechatpay-timestamp",
        "wechatpay-nonce",
        "wechatpay-serial",
        "wechatpay-signature",
        "wechatpay-signature-type",
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request to a notify_url, or a stored one that ``is_replayed`` and so may be old.

    ``kind`` is the route's, "payment" or "refund".
    """

    merchant: Merchant
    kind: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    is_replayed: bool = False

    @property
    def api(self) -> Api:
        return api_of(self.headers, self.body)

    def row(self, notice: Notice) -> Notification:
        """Return a new row for ``notice``, not saved and not decided."""
        now = clock.now()
        return Notification(
            merchant=self.merchant.alias,
            # A notice says what it is about, whichever URL it came to (protocol-v3 section 6.2).
            kind=notice.kind or self.kind,
            api=notice.api.value,
            event_id=notice.event_id,
            event_type=notice.event_type,
            fingerprint=notice.fingerprint,
            out_trade_no=notice.out_trade_no,
            transaction_id=notice.transaction_id,
            outcome=NotificationOutcomes.FAILED,
            headers={k: v for k, v in self.headers.items() if k.lower() in _KEPT_HEADERS},
            body=self.body,
            created_at=now,
            updated_at=now,
        )


def api_of(headers: Mapping[str, str], body: bytes) -> Api:
    """Return the protocol that a request speaks: v3 signs in a header, v2 is XML.

    What is neither is v3, for a proxy may have lost the header: v3 takes HTTP 200 for a success
    whatever the body, and with any other status v2 sends again too.
    """
    if is_signed_in_header(headers):
        return Api.V3
    start = body[:_LONGEST_START].removeprefix(codecs.BOM_UTF8).lstrip()
    return Api.V2 if start.startswith(b"<") else Api.V3


def is_signed_in_header(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "wechatpay-signature" for name in headers)
