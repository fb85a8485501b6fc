"""What an accepted order comes back as, whichever protocol carried it."""

from __future__ import annotations

from dataclasses import dataclass

from django_wxpay.protocol.facts import PrepayGrant


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What was granted, and the algorithm that the paying client must sign with."""

    grant: PrepayGrant
    sign_type: str
