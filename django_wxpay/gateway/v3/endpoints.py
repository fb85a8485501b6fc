"""Calls to any endpoint of APIv3: JSON, uploads, files, and personal data sealed for WeChat Pay.

What this package knows nothing of is signed, sent, verified and recorded like all else. It is
never asked for again by itself, unless the caller says that it may be.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django_wxpay.gateway.bills import DOWNLOAD_TIMEOUT, LONGEST_DOCUMENT
from django_wxpay.gateway.http.failures import MAYBE_DONE, SAFE_AGAIN, NoResponse
from django_wxpay.gateway.http.messages import HttpResponse
from django_wxpay.gateway.v3.calls import SignedCalls
from django_wxpay.gateway.v3.verification import check_any_answer, refuse
from django_wxpay.protocol.endpoints.bodies import json_octets, texts_in, upload_of
from django_wxpay.protocol.endpoints.paths import own_file, v3_endpoint
from django_wxpay.protocol.errors import BadAnswer, InvalidParameter, MalformedMessage
from django_wxpay.protocol.failures import Failure
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v3.documents import read_object
from django_wxpay.protocol.v3.encryption import SealedText, decrypt_field, encrypt_field
from django_wxpay.protocol.v3.requests import V3Request

LARGEST_FILE: Final = 64 * 1024 * 1024
_OK: Final = 200
_WITH_GZIP_HEADER: Final = 31
_HASHES: Final = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256}
_HEXADECIMAL: Final = re.compile("[0-9A-Fa-f]+")
_KEY_NAME: Final = re.compile("[0-9A-Za-z_]{0,64}")


class EndpointCalls(SignedCalls):
    """The calls of one merchant to endpoints that this package does not know."""

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | None] | None = None,
        json: Mapping[str, Any] | None = None,
        is_repeatable: bool | None = None,
        serial: str = "",
    ) -> dict[str, Any] | bytes:
        """Call an endpoint and return the object of its answer; {} where that is empty.

        Octets that are signed and are no JSON that every parser reads alike are returned as they
        are. Raises ``InvalidParameter`` before anything is sent, and what the other calls raise.
        """
        endpoint = v3_endpoint(method, path, params)
        if json is not None and endpoint.method == "GET":
            raise InvalidParameter("json", "a GET has no body: give params")
        request = V3Request(
            endpoint.method,
            endpoint.target,
            body=b"" if json is None else json_octets(json),
            serial=_serial_of(json, serial),
            interface=endpoint.interface,
        )
        if is_repeatable is None:
            is_repeatable = endpoint.method == "GET"
        return self._call(
            request,
            about=None,
            read=_any,
            is_repeatable=is_repeatable,
            check=check_any_answer,
            advice=SAFE_AGAIN if is_repeatable else MAYBE_DONE,
        )

    def upload(self, path: str, *, filename: str, content: bytes) -> dict[str, Any] | bytes:
        """Upload a file and return the answer (protocol-v3 section 13.1).

        It may be sent twice: that makes another number of the same file, and nothing else.
        """
        endpoint = v3_endpoint("POST", path)
        file = upload_of(filename, content)
        request = V3Request(
            endpoint.method,
            endpoint.target,
            body=file.body,
            signed=file.meta,
            content_type=file.content_type,
            interface=endpoint.interface,
        )
        return self._call(request, about=None, read=_any, check=check_any_answer)

    def download(self, url: str, *, hash_type: str | None, hash_value: str | None) -> bytes:
        """Fetch a file that a signed answer named, and return its octets.

        The digest is that of the file, or of what is in it where it is gzip (protocol-v3 section
        2.4). None for both takes a file that nobody vouches for but TLS. Raises ``BadAnswer`` for
        another file.
        """
        stated = _stated(hash_type, hash_value)
        host, target, interface = own_file(url, self._merchant.hosts)
        file = _File()

        def read(response: HttpResponse) -> bytes:
            if response.status >= 400:
                refuse(response)
            if not file.content:
                raise MalformedMessage("there is no file")
            if stated is not None:
                _check_digest(file.content, *stated)
            return file.content

        return self._send(
            V3Request("GET", target, interface=interface),
            None,
            read,
            hosts=(host,),
            take_body=file.take,
            timeout=DOWNLOAD_TIMEOUT,
        )

    def seal(self, text: object) -> SealedText:
        """Return ``text`` encrypted for WeChat Pay (protocol-v3 section 9), with the key's name.

        Raises ``InvalidParameter`` for what does not fit into the key, ``OutcomeUnknown`` where
        there is no key yet and none can be downloaded.
        """
        if not isinstance(text, str | Secret) or not text:
            raise InvalidParameter("text", "is not text")
        serial, key = self._keys.for_encryption(self.certificates)
        try:
            return SealedText(encrypt_field(text, public_key=key), serial)
        except ValueError:
            rule = "214 bytes of UTF-8 under a key of 2048 bits"
            raise InvalidParameter("text", "is longer than the key can seal", rule) from None

    def unseal(self, text: object) -> str:
        """Return what WeChat Pay encrypted for this merchant; else ``MalformedMessage``."""
        if not isinstance(text, str):
            raise InvalidParameter("text", "is not text")
        return decrypt_field(text, private_key=self._merchant.private_key)


class _File:
    """A file as it comes in; what is none is left to be read as a document."""

    def __init__(self) -> None:
        self.content = b""

    def take(self, status: int, _headers: Mapping[str, str], chunks: Iterable[bytes]) -> bytes:
        longest = LARGEST_FILE if status == _OK else LONGEST_DOCUMENT
        taken = bytearray()
        for chunk in chunks:
            taken += chunk
            if len(taken) > longest:
                raise NoResponse(Failure.UNREADABLE, http_status=status)
        self.content = bytes(taken) if status == _OK else b""
        return b"" if status == _OK else bytes(taken)


def _any(body: bytes) -> dict[str, Any] | bytes:
    if not body:
        return {}
    try:
        return read_object(body)
    except MalformedMessage:
        return body


def _serial_of(json: object, given: object) -> str:
    if not isinstance(given, str) or not _KEY_NAME.fullmatch(given):
        raise InvalidParameter("serial", "is not the name of a key")
    serials = {text.serial for text in texts_in(json) if isinstance(text, SealedText)}
    serials |= {given}
    named = sorted(serials - {""})
    if len(named) > 1:
        raise InvalidParameter(
            "json",
            "its texts are encrypted under more than one key, and a request names one",
            "encrypt_sensitive again, for all of them",
        )
    return named[0] if named else ""


def _stated(hash_type: object, hash_value: object) -> tuple[str, str] | None:
    if hash_type is None and hash_value is None:
        return None
    kind = hash_type.upper().replace("-", "") if isinstance(hash_type, str) else ""
    if kind not in _HASHES:
        raise InvalidParameter("hash_type", "is not known", ", ".join(_HASHES))
    length = 2 * _HASHES[kind]().digest_size
    is_hash = isinstance(hash_value, str) and _HEXADECIMAL.fullmatch(hash_value)
    if not isinstance(hash_value, str) or not is_hash or len(hash_value) != length:
        raise InvalidParameter("hash_value", f"is not {length} hexadecimal digits")
    return kind, hash_value.lower()


def _check_digest(content: bytes, kind: str, stated: str) -> None:
    for octets in (content, _unpacked(content)):
        if hmac.compare_digest(_HASHES[kind](octets).hexdigest(), stated):
            return
    raise BadAnswer(f"the file is not the one whose {kind} WeChat Pay has stated")


def _unpacked(content: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=_WITH_GZIP_HEADER)
    try:
        # A few kilobytes of gzip may claim to be gigabytes.
        text = unpacker.decompress(content, LARGEST_FILE)
    except zlib.error:
        return b""
    return text if unpacker.eof and not unpacker.unused_data else b""
