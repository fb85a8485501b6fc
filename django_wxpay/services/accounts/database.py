"""Merchants of the database as a source of merchants: rows read, their keys opened.

A key is opened here, on its way to the service that signs with it, and nowhere else but where a
change of its merchant is checked before it is saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db.models import QuerySet
from django.db.models.signals import post_delete, post_save

from django_wxpay import conf
from django_wxpay.conf.reading import BEGIN
from django_wxpay.models import MerchantAccount, MerchantVersion
from django_wxpay.models.merchant import SEALED
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.services import clock
from django_wxpay.services.accounts.sealing import unseal
from django_wxpay.services.transactions import (
    after_commit,
    connection,
    in_transaction,
    savepoint,
)

_TEXTS: Final = (
    "MCH_ID",
    "APPID",
    "MODE",
    "REGION",
    "API",
    "SUB_APPID",
    "SUB_MCH_ID",
    "MERCHANT_CATEGORY_CODE",
    "SIGN_TYPE",
    "CERT_SERIAL_NO",
    "CLIENT_CERT",
    "WECHATPAY_PUBLIC_KEY",
    "WECHATPAY_PUBLIC_KEY_ID",
)
NO_PEM: Final = _("is no PEM")
_LISTS: Final = ("APPIDS", "HOSTS", "PLATFORM_CERTIFICATES")
_SHOWN_PEMS: Final = ("CLIENT_CERT", "WECHATPAY_PUBLIC_KEY")
_PEMS: Final = (*_SHOWN_PEMS, "CLIENT_KEY", "PRIVATE_KEY")


class UnusableColumn(ConfigurationError):
    """A column that cannot be an entry of ``MERCHANTS``: ``name`` is its setting."""

    def __init__(self, alias: str, name: str, words: str) -> None:
        self.name, self.words = name, words
        super().__init__(f'merchant "{alias}": {name} {words}')


class DatabaseMerchants:
    """The ``MerchantAccount`` rows that are in use, as ``WXPAY["MERCHANTS"]``."""

    # The database has time-outs of its own, and a thread of ours would not see the transaction.
    is_prompt = True
    # Without SEALING_KEYS, none of its merchants can have a key.
    is_sealed = True

    def get(self, alias: str) -> Mapping[str, Any]:
        """Return the settings of one merchant with its keys opened, each a ``Secret``.

        Raises ``LookupError`` for one that is not there or not in use, and ``ConfigurationError``
        where a key of it does not open.
        """
        with savepoint():
            account = MerchantAccount.objects.filter(alias=alias, is_enabled=True).first()
        # Compared here as well: some databases take "shop" for "Shop".
        if account is None or account.alias != alias:
            raise LookupError(alias)
        return settings_of(account, opened_keys(account))

    def aliases(self) -> Sequence[str]:
        """Return the alias of every merchant in use, in the order of their creation."""
        with savepoint():
            rows = MerchantAccount.objects.filter(is_enabled=True).order_by("pk")
            return list(rows.values_list("alias", flat=True))

    def version(self) -> str:
        """Return the mark of the latest change."""
        with savepoint():
            row = MerchantVersion.objects.filter(pk=1).first()
        return row.token if row else ""

    def may_keep(self) -> bool:
        """Return False in a transaction: what is read there may be uncommitted, or long changed."""
        ours = connection()
        is_manual = not (ours.in_atomic_block or ours.get_autocommit())
        return not (is_manual or in_transaction())


def accounts_in_use() -> QuerySet[MerchantAccount] | None:
    """Return the rows that are the merchants; None where these come from somewhere else.

    One query says of all of them what a look at each would say in thousands.
    """
    try:
        found = conf.directory()
    except ConfigurationError:
        return None
    if found is None or not isinstance(found.source, DatabaseMerchants):
        return None
    return MerchantAccount.objects.filter(is_enabled=True).order_by()


def merchant_numbers() -> list[tuple[str, str]]:
    """Return the alias and the mch_id of every merchant, in their order; none without settings.

    A source of the project's own is asked for one merchant after the other.
    """
    if (rows := accounts_in_use()) is not None:
        return list(rows.order_by("pk").values_list("alias", "mch_id"))
    try:
        return [(account.alias, account.mch_id) for account in conf.accounts()]
    except ConfigurationError:
        return []


def opened_keys(account: MerchantAccount) -> dict[str, Secret]:
    """Return the keys of a row that it has, by their settings. Raises ``CannotOpen``."""
    return {
        name: unseal(getattr(account, column), alias=account.alias, name=name)
        for name, column in SEALED.items()
        if getattr(account, column)
    }


def settings_of(account: MerchantAccount, keys: Mapping[str, Secret]) -> dict[str, Any]:
    """Return a row as an entry of ``MERCHANTS``.

    Raises ``UnusableColumn`` for a list, and for a path: who may write a row may not have a file of
    this machine read.
    """
    for name in (*_LISTS, *_SHOWN_PEMS):
        if not isinstance(value := getattr(account, name.lower()), str):
            kind = type(value).__name__
            if name in _LISTS:
                words = _("is a %(kind)s and has to be one text, one value a line", kind=kind)
            else:
                words = _("is a %(kind)s and has to be a text", kind=kind)
            raise UnusableColumn(account.alias, name, words)
    entry: dict[str, Any] = {name: getattr(account, name.lower()) for name in _TEXTS} | dict(keys)
    entry["APPIDS"] = account.appids.split()
    entry["PLATFORM_CERTIFICATES"] = _pems(account)
    if hosts := account.hosts.split():
        entry["HOSTS"] = hosts
    for name in _PEMS:
        value = Secret.of(entry.get(name, ""))
        if value and BEGIN not in value.reveal():
            raise UnusableColumn(account.alias, name, NO_PEM)
    return entry


def _pems(account: MerchantAccount) -> list[str]:
    before, *pems = account.platform_certificates.split(BEGIN)
    if before.strip() and not pems:
        raise UnusableColumn(account.alias, "PLATFORM_CERTIFICATES", NO_PEM)
    return [f"{BEGIN}{pem}" for pem in pems]


def _mark_changed(*, using: str, **_: Any) -> None:
    """Let every process read again what it knows of merchants, within a second.

    In the transaction that saves or deletes a row; ``update()`` on a queryset changes nothing.
    """
    # Not a number: one that a rollback took back would come again, and mean something else.
    row, token = MerchantVersion.objects.using(using).filter(pk=1), clock.nonce()
    if not row.update(token=token):
        # Two may begin at the same moment.
        first = [MerchantVersion(token=token)]
        MerchantVersion.objects.using(using).bulk_create(first, ignore_conflicts=True)
        row.update(token=token)
    after_commit(_ask_again)


def _ask_again() -> None:
    # Nobody in this process has to wait for the second to pass.
    try:
        found = conf.directory()
    except ConfigurationError:
        return
    if found is not None:
        found.ask_again()


for _signal in (post_save, post_delete):
    _signal.connect(_mark_changed, sender=MerchantAccount, dispatch_uid="django_wxpay.merchants")
