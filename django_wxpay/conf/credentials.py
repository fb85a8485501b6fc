"""Checks of a merchant's keys: each is a real one and can be read, and v3's belong together.

They run when the settings are checked; otherwise the first customer would find the fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django_wxpay.conf.reading import BEGIN, placeholder, read_pem
from django_wxpay.conf.schema import Setting
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.merchants import Api, Merchant, Region
from django_wxpay.protocol.rules import Text
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.v3.certificates import certificate_matches_key, read_certificate
from django_wxpay.protocol.v3.fields import MERCHANT_CATEGORY_CODE
from django_wxpay.protocol.v3.key_names import PUBLIC_KEY_ID, key_name
from django_wxpay.protocol.v3.keys import load_private_key, load_public_key

# A serial is a number, so zeros in front may be missing. Fewer digits than these are a serial cut
# short: a certificate authority draws 20 bytes.
_SERIAL: Final = Text(min=32, max=40, alphabet="[0-9A-Fa-f]", described="hexadecimal digits")
_NEEDED: Final = ("api_v3_key", "private_key", "cert_serial_no")

_PEM_SETTINGS: Final = frozenset(
    {"CLIENT_CERT", "CLIENT_KEY", "PRIVATE_KEY", "WECHATPAY_PUBLIC_KEY", "PLATFORM_CERTIFICATES"},
)
# What people copy from the merchant platform, in whose place an example may have been left.
_COPIED_SETTINGS: Final = _PEM_SETTINGS | {
    "APPID",
    "APPIDS",
    "MCH_ID",
    "SUB_APPID",
    "SUB_MCH_ID",
    "API_KEY",
    "API_V3_KEY",
    "CERT_SERIAL_NO",
    "WECHATPAY_PUBLIC_KEY_ID",
    "MERCHANT_CATEGORY_CODE",
    "HOSTS",
}
# One digit again and again may be a number; only WeChat Pay knows which ones are given out.
_NUMBERS: Final = {"CERT_SERIAL_NO": _SERIAL, "MERCHANT_CATEGORY_CODE": MERCHANT_CATEGORY_CODE}


def placeholder_problem(row: Setting, value: Any) -> str:
    """Return in a few words that a value is an example's and no real one, or "".

    Any value is taken: an example often breaks the rule of its setting as well.
    """
    if row.name not in _COPIED_SETTINGS:
        return ""
    for each in _texts(value):
        is_number = row.name in _NUMBERS and not _NUMBERS[row.name].problem(each.reveal())
        if is_number or BEGIN in each.reveal():
            continue
        if reason := placeholder(each):
            return _("is a placeholder: %(reason)s", reason=reason)
    return ""


def pem_problems(row: Setting, value: Any) -> Iterator[str]:
    """Yield in a few words why a value of the right type is no PEM that can be used."""
    if row.name not in _PEM_SETTINGS:
        return
    for each in _texts(value):
        try:
            read_pem(each)
        except ValueError as problem:
            yield str(problem)


def _texts(value: Any) -> Iterator[Secret]:
    for each in value if isinstance(value, list | tuple) else [value]:
        if isinstance(each, str | Secret):
            yield Secret.of(each)


def problems(merchant: Merchant) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong as (code, setting, a few words); v2 merchants without v3 keys pass."""
    yield from _client_problems(merchant)
    if merchant.api is not Api.V3 and not any(getattr(merchant, name) for name in _NEEDED):
        return
    missing = [name for name in _NEEDED if not getattr(merchant, name)]
    for name in missing:
        yield "E015", name.upper(), _("is missing")
    if missing:
        return
    if len(merchant.api_v3_key.octets()) != 32:
        yield "E016", "API_V3_KEY", _("is not 32 bytes long")
    yield from _own_problems(merchant)
    yield from _platform_problems(merchant)
    code = merchant.merchant_category_code
    if merchant.region is Region.GLOBAL and MERCHANT_CATEGORY_CODE.problem(code):
        yield "E020", "MERCHANT_CATEGORY_CODE", _("is not four digits")


def _client_problems(merchant: Merchant) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with the pair for mutual TLS; that of v3 is looked at with its keys."""
    certificate, key = merchant.client_cert, merchant.client_key
    if key and not certificate:
        yield "W014", "CLIENT_CERT", _("is missing beside CLIENT_KEY")
    elif certificate and not key and not merchant.private_key:
        yield "W014", "CLIENT_KEY", _("is missing beside CLIENT_CERT")
    elif certificate and key:
        try:
            if not certificate_matches_key(certificate, key):
                yield "W014", "CLIENT_KEY", _("is not the key that CLIENT_CERT certifies")
        except ConfigurationError as problem:
            yield "W014", "CLIENT_CERT", _("or CLIENT_KEY is %(problem)s", problem=str(problem))


def _own_problems(merchant: Merchant) -> Iterator[tuple[str, str, str]]:
    if _SERIAL.problem(merchant.cert_serial_no):
        yield "E018", "CERT_SERIAL_NO", _("is not up to 40 hexadecimal digits")
    try:
        load_private_key(merchant.private_key)
    except ConfigurationError as problem:
        yield "E017", "PRIVATE_KEY", _("is %(problem)s", problem=str(problem))
        return
    if merchant.client_cert:
        yield from _certificate_problems(merchant)


def _certificate_problems(merchant: Merchant) -> Iterator[tuple[str, str, str]]:
    try:
        certificate = read_certificate(merchant.client_cert)
    except ConfigurationError as problem:
        yield "E018", "CLIENT_CERT", _("is %(problem)s", problem=str(problem))
        return
    if certificate.serial_no != key_name(merchant.cert_serial_no):
        yield "E018", "CERT_SERIAL_NO", _("is not the serial of CLIENT_CERT")
    if not certificate_matches_key(merchant.client_cert, merchant.private_key):
        yield "E018", "PRIVATE_KEY", _("is not the key that CLIENT_CERT certifies")


def _platform_problems(merchant: Merchant) -> Iterator[tuple[str, str, str]]:
    key, key_id = merchant.wechatpay_public_key, merchant.wechatpay_public_key_id
    if bool(key) != bool(key_id):
        yield "E019", "WECHATPAY_PUBLIC_KEY", _("and WECHATPAY_PUBLIC_KEY_ID go together")
    if key_id and not key_id.startswith(PUBLIC_KEY_ID):
        yield (
            "E019",
            "WECHATPAY_PUBLIC_KEY_ID",
            _("does not begin with %(start)s", start=PUBLIC_KEY_ID),
        )
    try:
        if key:
            load_public_key(key)
    except ConfigurationError as problem:
        yield "E019", "WECHATPAY_PUBLIC_KEY", _("is %(problem)s", problem=str(problem))
    for pem in merchant.platform_certificates:
        try:
            read_certificate(pem)
        except ConfigurationError as problem:
            yield (
                "E019",
                "PLATFORM_CERTIFICATES",
                _("holds what is %(problem)s", problem=str(problem)),
            )
