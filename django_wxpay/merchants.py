"""Merchants that come and go without a restart: the source that the package ships.

``WXPAY["MERCHANTS"] = "django_wxpay.merchants.DatabaseMerchants"``, or the dotted path of a
``MerchantSource`` of your own.
"""

from __future__ import annotations

from django_wxpay.conf import MerchantSource
from django_wxpay.services.accounts.database import DatabaseMerchants
from django_wxpay.services.accounts.saving import save_account

__all__ = ["DatabaseMerchants", "MerchantSource", "save_account"]
