"""APIv3 beside its primitives: a callback, a request's header, an answer, and hostile JSON.

The limit is what the same primitives cost alone: one RSA operation, AES-GCM, the JSON parser of
the standard library, with keys, ciphers and paddings made beforehand. wechatpayv3 opens the same
callback, with one and with ten platform certificates; it checks neither the time nor what the
JSON holds.

Run: python -m tests.benchmarks.bench_v3
"""

from __future__ import annotations

import base64
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from django.http.request import HttpHeaders
from wechatpayv3.core import Core

from django_wxpay.gateway.http.messages import HttpResponse
from django_wxpay.gateway.v3.platform_keys import PlatformKeys
from django_wxpay.gateway.v3.verification import check_answer
from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.json_bounds import MOST_VALUES
from django_wxpay.protocol.v3.authorization import build_authorization
from django_wxpay.protocol.v3.certificates import PlatformCertificate
from django_wxpay.protocol.v3.documents import LARGEST_BODY, read_object, read_with_marks
from django_wxpay.protocol.v3.encryption import unseal
from django_wxpay.protocol.v3.keys import load_private_key, load_public_key
from django_wxpay.protocol.v3.notices import read_notice
from django_wxpay.protocol.v3.reading import child
from django_wxpay.protocol.v3.signing import signature_fault, signed_headers
from tests.benchmarks.measuring import FULL, Action, Result, Scale, cost, share, show
from tests.protocol.v3 import keys
from tests.protocol.v3.samples import MAINLAND, envelope, octets, sealed
from tests.protocol.v3.test_trades import DOMESTIC

CERTIFICATES: Final = 10
NONCE: Final = "593BEC0C930BF1AFEB40B4A08C8FB242"
PATH: Final = "/v3/pay/transactions/out-trade-no/DOM20240501A?mchid=1900000109"
PADDING: Final = PKCS1v15()
DIGEST: Final = SHA256()
MERCHANT: Final = replace(MAINLAND, platform_certificates=(keys.PLATFORM_CERTIFICATE,))
# Sealed with the very secret that opens it, as the settings hold one: a copy of it is compared
# octet by octet whenever its cipher is looked for.
BODY: Final = envelope(
    "TRANSACTION.SUCCESS", DOMESTIC, resource=sealed(DOMESTIC, MERCHANT.api_v3_key)
)
# What a proxy and WeChat Pay's client send beside the signature.
OTHER_HEADERS: Final = {
    "HTTP_HOST": "shop.example",
    "HTTP_USER_AGENT": "Mozilla/4.0",
    "HTTP_ACCEPT": "*/*",
    "HTTP_ACCEPT_ENCODING": "gzip",
    "HTTP_CONNECTION": "Keep-Alive",
    "HTTP_PRAGMA": "no-cache",
    "HTTP_X_FORWARDED_FOR": "101.226.103.1",
    "HTTP_X_FORWARDED_PROTO": "https",
    "CONTENT_TYPE": "application/json",
    "CONTENT_LENGTH": str(len(BODY)),
}


class EmptyStore:
    """A store that holds no certificates and takes none."""

    def certificates(self) -> Sequence[str]:
        return ()

    def has_expired(self) -> bool:
        return False

    def keep(self, certificates: object) -> None:
        raise AssertionError("nothing is downloaded here")

    def may_download(self, *, every: timedelta) -> bool:
        return False


def results(scale: Scale) -> Iterator[Result]:
    """Yield the rows of APIv3."""
    yield from callback(scale)
    yield authorization(scale)
    yield answer(scale)
    yield hostile(scale)


def callback(scale: Scale) -> Iterator[Result]:
    """Yield a callback up to the decrypted resource, and up to the fact."""
    signed = _signed(BODY)
    headers = HttpHeaders(
        {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in signed.items()}
        | OTHER_HEADERS
    )
    certificates = _certificates()
    one, ten = certificates[:1], certificates
    ours = _platform_keys(one)
    many = _platform_keys(ten)
    yield share(
        "v3 callback: headers, freshness, verify, JSON, decrypt",
        "the same calls bare",
        ours=lambda: _opened(headers, BODY, ours),
        bare=_bare_callback(headers, BODY),
        reach=0.9,
        peers={
            "ours, ten certificates": lambda: _opened(headers, BODY, many),
            "wechatpayv3, one certificate": _wechatpayv3(headers, BODY, one),
            "wechatpayv3, ten certificates": _wechatpayv3(headers, BODY, ten),
        },
        scale=scale,
        note=(
            f"{len(BODY)} bytes, {len(octets(DOMESTIC))} of them sealed; beyond the limit, half is "
            "the hooks of the parser, which find members that occur twice and numbers of too many "
            "digits, and a quarter the form of the headers"
        ),
    )
    yield share(
        "the same read into a fact with fingerprint",
        "the same calls bare, to the decrypted resource",
        ours=lambda: _noticed(headers, BODY, ours),
        bare=_bare_callback(headers, BODY),
        reach=0.5,
        scale=scale,
        note="beyond the limit: some forty members read one by one, five frozen records made of "
        "them, and the canonical JSON that is hashed",
    )


def authorization(scale: Scale) -> Result:
    """Return the ``Authorization`` header of one request."""
    private_key = load_private_key(keys.MERCHANT_KEY)
    stamp = int(time.time())

    def ours() -> str:
        return build_authorization(
            method="GET",
            url_path=PATH,
            body=b"",
            mchid=MERCHANT.mch_id,
            serial_no=MERCHANT.cert_serial_no,
            private_key=MERCHANT.private_key,
            timestamp=stamp,
            nonce=NONCE,
        )

    def bare() -> bytes:
        return private_key.sign(f"GET\n{PATH}\n{stamp}\n{NONCE}\n\n".encode(), PADDING, DIGEST)

    return share(
        "v3 Authorization header", "raw RSA sign", ours=ours, bare=bare, reach=0.95, scale=scale
    )


def answer(scale: Scale) -> Result:
    """Return the check of one signed answer, JSON included."""
    body = json.dumps(DOMESTIC).encode()
    now = datetime.fromtimestamp(int(time.time()), UTC)
    response = HttpResponse(status=200, body=body, headers=_signed(body))
    known = _platform_keys([keys.PLATFORM_CERTIFICATE]).known

    def bare() -> object:
        _bare_signature(response.headers, body)
        return json.loads(body)

    return share(
        "v3 answer: JSON, headers, freshness, verify",
        "the same calls bare",
        ours=lambda: check_answer(response, now=now, key_of=known),
        bare=bare,
        reach=0.8,
        scale=scale,
    )


def hostile(scale: Scale) -> Result:
    """Return the slowest document of those chosen to be slow, beside an honest one as large."""
    slow: list[tuple[float, str, Action, Action]] = []
    for size in (64 * 1024, LARGEST_BODY):
        for what, read, room in _READERS:
            length = room(size)
            honest = _reading(read, _honest(length))
            limit = _shortest(honest)
            for kind, document in _slow_documents(length).items():
                reading = _reading(read, document)
                name = f"{kind}, {size // 1024} KiB, {what}"
                slow.append((_shortest(reading) / limit, name, reading, honest))
    _, name, reading, honest = max(slow, key=itemgetter(0))
    return cost(
        "v3 JSON chosen to be slow",
        "an honest document of the same size",
        ours=reading,
        bare=honest,
        reach=10,
        scale=scale,
        note=f"the slowest of {len(slow)}: {name}",
    )


def _shortest(action: Action) -> float:
    """Return the seconds that the shortest of three calls takes: enough to find the slowest."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


def _signed(body: bytes) -> dict[str, str]:
    return signed_headers(
        body,
        serial=keys.PLATFORM_SERIAL,
        private_key=keys.PLATFORM_KEY,
        timestamp=int(time.time()),
        nonce=NONCE,
    )


def _download() -> Sequence[PlatformCertificate]:
    raise AssertionError("the key is known")


def _platform_keys(certificates: Sequence[str]) -> PlatformKeys:
    merchant = replace(MERCHANT, platform_certificates=tuple(certificates))
    return PlatformKeys(merchant, store=EmptyStore(), now=lambda: datetime.now(UTC))


def _check(headers: HttpHeaders, body: bytes, platform_keys: PlatformKeys) -> None:
    fault = signature_fault(
        headers,
        body,
        now=int(time.time()),
        key_of=lambda serial: platform_keys.find(serial, _download),
    )
    if fault is not None:
        raise AssertionError(fault)


def _opened(headers: HttpHeaders, body: bytes, platform_keys: PlatformKeys) -> dict[str, Any]:
    _check(headers, body, platform_keys)
    resource = child(read_with_marks(body), "resource")
    return read_with_marks(unseal(resource, MERCHANT.api_v3_key))


def _noticed(headers: HttpHeaders, body: bytes, platform_keys: PlatformKeys) -> object:
    _check(headers, body, platform_keys)
    notice = read_notice(body, merchant=MERCHANT)
    if notice.fact is None:
        raise AssertionError(notice.unreadable)
    return notice


_BARE_KEYS: Final = {keys.PLATFORM_SERIAL: load_public_key(keys.PLATFORM_CERTIFICATE)}


def _bare_signature(headers: Any, body: bytes) -> None:
    timestamp = headers["Wechatpay-Timestamp"]
    if abs(int(time.time()) - int(timestamp)) >= 300:
        raise AssertionError("stale")
    message = f"{timestamp}\n{headers['Wechatpay-Nonce']}\n".encode() + body + b"\n"
    signature = base64.b64decode(headers["Wechatpay-Signature"])
    _BARE_KEYS[headers["Wechatpay-Serial"]].verify(signature, message, PADDING, DIGEST)


def _bare_callback(headers: HttpHeaders, body: bytes) -> Callable[[], object]:
    cipher = AESGCM(keys.API_V3_KEY.encode())

    def run() -> object:
        _bare_signature(headers, body)
        resource = json.loads(body)["resource"]
        plain = cipher.decrypt(
            resource["nonce"].encode(),
            base64.b64decode(resource["ciphertext"]),
            resource["associated_data"].encode(),
        )
        return json.loads(plain)

    return run


def _wechatpayv3(
    headers: HttpHeaders, body: bytes, certificates: Sequence[str]
) -> Callable[[], object]:
    with tempfile.TemporaryDirectory() as folder:
        for at, pem in enumerate(certificates):
            Path(folder, f"{at}.pem").write_text(pem, encoding="utf-8")
        core = Core(
            mchid=MERCHANT.mch_id,
            cert_serial_no=keys.MERCHANT_SERIAL,
            private_key=keys.MERCHANT_KEY,
            apiv3_key=keys.API_V3_KEY,
            cert_dir=folder,
        )
    # It tries one after the other, in the order of the folder; the middle is fair.
    core._certificates.sort(key=lambda one: one.not_valid_after_utc)
    if len(core._certificates) != len(certificates) or not core.callback(headers, body):
        raise AssertionError("wechatpayv3 did not open it")
    return lambda: core.callback(headers, body)


def _certificates() -> list[str]:
    """Return the platform's certificate and nine others, of which half run out later."""
    ours = x509.load_pem_x509_certificate(keys.PLATFORM_CERTIFICATE.encode())
    key = generate_private_key(public_exponent=65537, key_size=2048)
    half = CERTIFICATES // 2
    ends = [ours.not_valid_after_utc + timedelta(days=at - half) for at in range(CERTIFICATES)]
    others = [end for end in ends if end != ours.not_valid_after_utc]
    return [keys.PLATFORM_CERTIFICATE, *(_certificate(key, end) for end in others)]


def _certificate(key: RSAPrivateKey, end: datetime) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    made = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=end - timedelta(days=3650),
        not_valid_after=end,
    )
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


Reader = Callable[[bytes], object]


def _read_sealed(document: bytes) -> object:
    return read_notice(document, merchant=MERCHANT)


# A reader, and how long a document may be that it reads in a body of so many bytes: a sealed one
# is in base64 inside its envelope.
_READERS: Final[tuple[tuple[str, Reader, Callable[[int], int]], ...]] = (
    ("read strictly", read_object, lambda size: size),
    ("read with marks", read_with_marks, lambda size: size),
    ("sealed in a notice", _read_sealed, lambda size: (size - 1024) * 3 // 4),
)


def _reading(read: Reader, document: bytes) -> Callable[[], object]:
    body = envelope("TRANSACTION.SUCCESS", document) if read is _read_sealed else document

    def run() -> object:
        try:
            return read(body)
        except MalformedMessage:
            return None

    return run


def _honest(size: int) -> bytes:
    """Return a payment of ``size`` bytes: with all promotions that fit, and long remarks then."""

    def payment(count: int, remark: str) -> bytes:
        [promotion] = DOMESTIC["promotion_detail"]
        line = promotion["goods_detail"][0] | {"goods_remark": remark}
        return octets(
            DOMESTIC | {"promotion_detail": [promotion | {"goods_detail": [line]}] * count}
        )

    one = len(payment(2, "")) - len(payment(1, ""))
    count = min(size // one - 2, MOST_VALUES // 20)
    document = payment(count, "好" * ((size - len(payment(count, ""))) // count // 3))
    return document + b" " * (size - len(document))


def _slow_documents(size: int) -> dict[str, bytes]:
    """Return documents of about ``size`` bytes, each of them as slow to read as its kind can be."""
    most = MOST_VALUES - 10

    def items(item: bytes, count: int = most) -> bytes:
        """Return a list of as many as fit and are let in, and a text that fills it up."""
        fitting = min(count, (size - 32) // (len(item) + 1))
        whole = b'{"a":[' + b",".join([item] * fitting) + b"]"
        return whole + b',"b":"' + b"x" * (size - len(whole) - 8) + b'"}'

    def members(name: bytes) -> bytes:
        count = min(most, size // (len(name) + 10))
        return (
            b"{"
            + b",".join(b'"%b":%d' % (name.replace(b"#", b"%d" % at), at) for at in range(count))
            + b"}"
        )

    def text(unit: bytes) -> bytes:
        return b'{"a":"' + unit * ((size - 8) // len(unit)) + b'"}'

    deep = min(most, size // 8)
    return {
        "short members": members(b"#"),
        "more values than are let in": b'{"a":[' + b"1," * (size // 2 - 8) + b"1]}",
        "members of one name": members(b"a"),
        "members of one long name": members(b"a" * 500),
        "names of one hash length": members(b"member-#"),
        "empty objects": items(b"{}"),
        "empty lists": items(b"[]"),
        "objects of one member": items(b'{"a":1}', most // 2),
        "one long text": text(b"x"),
        "one long text of escapes": text(b"\\u6d4b"),
        "one long text of short escapes": text(b"\\n"),
        "one long text of NULs": text(b"\\u0000"),
        "one long text of halves of characters": text(b"\\ud83c"),
        "one long text of no UTF-8": text(b"\xe6\xb5"),
        "one long text of four octets each": text("🧧".encode()),
        "lists in lists": b'{"a":' + b"[" * deep + b"]" * deep + b"}",
        "objects in objects": b'{"a":' * min(deep, size // 6) + b"1" + b"}" * min(deep, size // 6),
        "lists as deep as the parser reads": items(b"[" * 900 + b"]" * 900, most // 900),
        "objects as deep as we let in": items(b'{"a":' * 29 + b"1" + b"}" * 29, most // 30),
        "numbers of 10,000 digits": items(b"9" * 10_000),
        "one number": b'{"a":' + b"9" * (size - 6) + b"}",
        "decimals of 10,000 digits": items(b"0." + b"9" * 10_000),
        "one decimal": b'{"a":0.' + b"9" * (size - 8) + b"}",
        "decimals between two others": items(b"2.2250738585072011" + b"0" * 700 + b"1e-308"),
        "decimals larger than any": items(b"1e400"),
        "decimals smaller than any": items(b"1e-400"),
        "NaN": items(b"NaN"),
        "Infinity": items(b"-Infinity"),
        "blanks": b'{"a":' + b" " * (size - 7) + b"1}",
        "a text that does not end": b'{"a":"' + b"x" * (size - 6),
        "a list that does not end": items(b"1")[:-1],
    }


def main() -> None:
    """Measure and print."""
    show(list(results(FULL)))


if __name__ == "__main__":
    main()
