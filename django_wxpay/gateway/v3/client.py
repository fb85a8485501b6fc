"""The gateway of APIv3: the calls about one order, its refunds, and a payment code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_wxpay.gateway.v3.bills import BillCalls
from django_wxpay.gateway.v3.endpoints import EndpointCalls
from django_wxpay.protocol.errors import (
    InvalidRefund,
    OrderClosed,
)
from django_wxpay.protocol.facts import (
    PrepayGrant,
    RefundFact,
    TradeFact,
    TradeState,
)
from django_wxpay.protocol.merchants import Region
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.refunds import (
    MOST_REFUNDS,
    AbnormalRefundTerms,
    RefundRef,
    RefundTerms,
)
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.v3.client_parameters import client_parameters
from django_wxpay.protocol.v3.encryption import encrypt_field
from django_wxpay.protocol.v3.fields import check_code_v3, check_terms_v3
from django_wxpay.protocol.v3.json_fields import placing_members
from django_wxpay.protocol.v3.refund_requests import (
    abnormal_refund_request,
    check_abnormal_refund,
    check_refund_terms,
    refund_list_request,
    refund_query_request,
    refund_request,
)
from django_wxpay.protocol.v3.replies import (
    read_code_payment,
    read_grant,
    read_query,
    read_refund,
    read_refund_list,
)
from django_wxpay.protocol.v3.requests import (
    close_request,
    code_request,
    place_request,
    query_request,
    reverse_request,
)


class V3Gateway(BillCalls, EndpointCalls):
    """One merchant's calls over APIv3, mainland or global, direct or institutional.

    Takes what ``V2Gateway`` takes, and ``keys``: WeChat Pay's own. Its methods do and raise
    what those of ``V2Gateway`` do and raise.
    """

    def check(self, terms: OrderTerms) -> None:
        """Raise ``InvalidOrder`` for what breaks a rule of protocol-v3 sections 3.2 or 4.2."""
        check_terms_v3(
            terms,
            mode=self._merchant.mode,
            region=self._merchant.region,
            merchant_category_code=self._merchant.merchant_category_code,
            now=self._now(),
        )

    def place(self, terms: OrderTerms, members: Mapping[str, Any] | None = None) -> PrepayGrant:
        """Place an order (protocol-v3 sections 3.2 and 4.2) and return the grant.

        ``members`` are those of ``placing_members``, in plain text; they are kept nowhere.
        """
        serial = ""
        if members is not None:
            members, serial = self._sealed(members)
        request = place_request(terms, merchant=self._merchant, members=members, serial=serial)
        return self._call(request, about=terms, read=lambda body: read_grant(body, terms))

    def check_code(self, terms: OrderTerms, auth_code: Secret) -> None:
        """Raise ``InvalidOrder`` for what breaks a rule of protocol-v3 sections 3.2 or 4.8."""
        check_code_v3(
            terms,
            auth_code,
            mode=self._merchant.mode,
            region=self._merchant.region,
            merchant_category_code=self._merchant.merchant_category_code,
        )

    def charge(self, terms: OrderTerms, auth_code: Secret) -> TradeFact:
        """Charge a payment code (protocol-v3 sections 3.2 and 4.8); the fact may be any state."""
        merchant = self._merchant
        return self._call(
            code_request(terms, auth_code, merchant=merchant),
            about=terms,
            read=lambda body: read_code_payment(body, terms, merchant=merchant),
            is_repeatable=False,
        )

    def reverse(self, ref: OrderRef) -> bool:
        """Reverse a payment by code (protocol-v3 sections 3.4 and 4.8); never to be called again.

        The answer is about this order, because it answers the address that names it.
        """
        request = reverse_request(ref, merchant=self._merchant)
        return self._call(request, about=ref, read=lambda _body: False)

    def query(self, ref: OrderRef) -> TradeFact:
        """Query the state of an order (protocol-v3 sections 3.3 and 4.3)."""
        merchant = self._merchant
        return self._call(
            query_request(ref, merchant=merchant),
            about=ref,
            read=lambda body: read_query(body, ref, merchant=merchant),
        )

    def close(self, ref: OrderRef) -> None:
        """Close an unpaid order (protocol-v3 sections 3.4 and 4.1), or find that it is closed."""
        request = close_request(ref, merchant=self._merchant)
        try:
            self._call(request, about=ref, read=lambda _body: None)
        except OrderClosed:
            # A refusal is not signed, so it alone closes no order; a query's answer is.
            if not self._is_closed(ref):
                raise

    def check_refund(self, terms: RefundTerms) -> None:
        """Raise ``InvalidRefund`` for what breaks a rule of protocol-v3 sections 3.5 or 4.4."""
        check_refund_terms(terms, mode=self._merchant.mode, region=self._merchant.region)

    def refund(self, terms: RefundTerms) -> RefundFact:
        """Ask for a refund (protocol-v3 sections 3.5 and 4.4) and return its status."""
        ref = RefundRef(order=terms.order, out_refund_no=terms.out_refund_no)
        return self._call(
            refund_request(terms, merchant=self._merchant),
            about=terms.order,
            read=lambda body: read_refund(body, ref, merchant=self._merchant, source="v3.refund"),
        )

    def query_refund(self, ref: RefundRef) -> RefundFact:
        """Query one refund (protocol-v3 sections 3.6 and 4.4)."""
        return self._call(
            refund_query_request(ref, merchant=self._merchant),
            about=ref.order,
            read=lambda body: read_refund(body, ref, merchant=self._merchant),
        )

    def query_refunds(self, ref: OrderRef) -> tuple[RefundFact, ...] | None:
        """Query every refund of an order, page by page; None in mainland, which has no list."""
        if self._merchant.region is not Region.GLOBAL:
            return None
        facts: list[RefundFact] = []
        total = MOST_REFUNDS
        while len(facts) < total:
            page, stated = self._call(
                refund_list_request(ref, offset=len(facts), merchant=self._merchant),
                about=ref,
                read=lambda body: read_refund_list(body, ref, merchant=self._merchant),
            )
            facts += page
            # An empty page is the last, whatever the total says.
            total = min(stated, MOST_REFUNDS) if page else len(facts)
        return tuple(facts)

    def apply_abnormal_refund(self, terms: AbnormalRefundTerms) -> RefundFact:
        """Have a stuck refund paid out otherwise (protocol-v3 section 4.4); mainland alone."""
        if self._merchant.region is Region.GLOBAL:
            raise InvalidRefund("type", _("global refunds have no such call"), _("mainland alone"))
        check_abnormal_refund(terms)
        # The payer's name and card are sealed for WeChat Pay (protocol-v3 section 9).
        seal = self._keys.for_encryption(self.certificates) if terms.bank_account else None
        return self._call(
            abnormal_refund_request(terms, merchant=self._merchant, seal=seal),
            about=terms.refund.order,
            read=lambda body: read_refund(
                body, terms.refund, merchant=self._merchant, source="v3.abnormal-refund"
            ),
        )

    def parameters(self, terms: OrderTerms, grant: PrepayGrant) -> dict[str, str]:
        """Return what the paying client needs (protocol-v3 section 5), signed now; no call."""
        return client_parameters(
            terms,
            grant,
            private_key=self._merchant.private_key,
            timestamp=int(self._now().timestamp()),
            nonce=self._nonce(),
        )

    def _sealed(self, members: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        checked = placing_members(members, self._merchant.region)
        identity = checked.get("payer", {}).get("identity")
        if identity is None:
            return checked, ""
        # One key for both texts, whatever becomes the newest meanwhile.
        serial, key = self._keys.for_encryption(self.certificates)
        for name in ("number", "name"):
            identity[name] = encrypt_field(identity[name], public_key=key)
        return checked, serial

    def _is_closed(self, ref: OrderRef) -> bool:
        return self.query(ref).trade_state is TradeState.CLOSED
