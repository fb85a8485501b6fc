"""Entries of merchants: a mapping of settings is checked, and becomes a ``Merchant``.

An entry is judged alike wherever it comes from: the settings, or a source of the project's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from django_wxpay.conf.reading import read_pem
from django_wxpay.conf.schema import MERCHANT_SETTINGS
from django_wxpay.protocol.merchants import DEFAULT_HOSTS, Api, Merchant, Mode, Region, SignType
from django_wxpay.protocol.rules import Text
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.sentences import sentence as _

# The slug of notify_url, as Django's path converter reads it.
ALIAS: Final = Text(max=64, alphabet="[-a-zA-Z0-9_]", described=_("letters, digits, - and _"))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the settings: the code of its check, and a sentence that names it.

    ``merchant`` is the alias of the one it concerns, "" where it concerns all of them. For a form,
    which shows each fault beside its field: of a setting the fault is ``words`` that follow its
    name, in the reader's language (``models.sentences.translated``).
    """

    code: str
    message: str
    merchant: str = ""
    setting: str = ""
    words: str = ""


def problem_of(merchant: str, where: str, setting: str, code: str, words: str) -> Problem:
    """Return what is wrong with one setting of a merchant, whose entry ``where`` names."""
    return Problem(code, f'{where}["{setting}"] {words}', merchant, setting, words)


def entry_problems(
    alias: str, entry: object, where: str, *, with_keys: bool = True
) -> list[Problem]:
    """Return what is wrong with the entry of one merchant; ``where`` names it in each sentence.

    Keys are looked at together, if ``with_keys``, once each of them is right by itself.
    """
    found = list(_each_by_itself(alias, entry, where))
    if with_keys and not found and isinstance(entry, Mapping):
        found = key_problems(read_entry(alias, entry), where)
    return found


def key_problems(merchant: Merchant, where: str) -> list[Problem]:
    """Return what is wrong with the keys of a merchant whose settings are right one by one."""
    found = _credentials().problems(merchant)
    return [problem_of(merchant.alias, where, name, code, words) for code, name, words in found]


def _each_by_itself(alias: object, entry: object, where: str) -> Iterator[Problem]:
    named = str(alias)
    if not isinstance(alias, str) or ALIAS.problem(alias):
        words = _("an alias is %(allowed)s", allowed=ALIAS.text)
        yield Problem("E009", f"{where}: {words}", named, words=words)
    if not isinstance(entry, Mapping):
        yield Problem("E002", f"{where} is not a dict", named)
        return
    for row in MERCHANT_SETTINGS:
        if row.name == "HOSTS" and row.name not in entry:
            continue
        # First of all: whatever rule an example breaks, what helps is a value in its place.
        if problem := _credentials().placeholder_problem(row, entry.get(row.name, row.default)):
            yield problem_of(named, where, row.name, "E029", problem)
            continue
        if problem := row.problem(entry.get(row.name, row.default)):
            yield problem_of(named, where, row.name, row.code, problem)
            continue
        for words in _credentials().pem_problems(row, entry.get(row.name, row.default)):
            yield problem_of(named, where, row.name, "E014", words)
    if entry.get("API", "v2") == "v2" and not entry.get("API_KEY"):
        yield problem_of(named, where, "API_KEY", "E012", _("is missing"))
    for name in entry.keys() - {row.name for row in MERCHANT_SETTINGS}:
        yield problem_of(named, where, name, "W001", _("is not a setting"))


def _credentials() -> Any:
    # It reads certificates, and its library takes longer to load than Django's settings: not
    # when Django starts, but when keys are looked at.
    return import_module("django_wxpay.conf.credentials")


def read_entry(alias: str, entry: Mapping[str, Any]) -> Merchant:
    """Return the merchant of an entry with which nothing is wrong, its PEMs read."""
    value = {row.name: entry.get(row.name, row.default) for row in MERCHANT_SETTINGS}
    region = Region(value["REGION"])
    return Merchant(
        alias=alias,
        mch_id=value["MCH_ID"],
        appid=value["APPID"],
        appids=tuple(value["APPIDS"]),
        mode=Mode(value["MODE"]),
        region=region,
        api=Api(value["API"]),
        sub_appid=value["SUB_APPID"],
        sub_mch_id=value["SUB_MCH_ID"],
        merchant_category_code=value["MERCHANT_CATEGORY_CODE"],
        api_key=value["API_KEY"],
        sign_type=SignType(value["SIGN_TYPE"]),
        client_cert=_shown_pem(value["CLIENT_CERT"]),
        client_key=read_pem(Secret.of(value["CLIENT_KEY"])),
        api_v3_key=value["API_V3_KEY"],
        private_key=read_pem(Secret.of(value["PRIVATE_KEY"])),
        cert_serial_no=value["CERT_SERIAL_NO"],
        wechatpay_public_key=_shown_pem(value["WECHATPAY_PUBLIC_KEY"]),
        wechatpay_public_key_id=value["WECHATPAY_PUBLIC_KEY_ID"],
        platform_certificates=tuple(map(_shown_pem, value["PLATFORM_CERTIFICATES"])),
        hosts=tuple(host.rstrip("/") for host in value["HOSTS"] or DEFAULT_HOSTS[region]),
    )


def _shown_pem(value: str) -> str:
    return read_pem(Secret(value)).reveal()
