"""The sealed refund notice: the sheet's vectors, and what does not open."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.v2 import decrypt_req_info, encrypt_req_info
from django_wxpay.protocol.v2.encryption import seal, unseal
from tests.protocol.samples import KEY, OTHER_KEY
from tests.protocol.v2.vectors import K1

A1_DOCUMENT = b"<root><refund_status>SUCCESS</refund_status></root>"
A1_SEALED = (
    "bDP/xixH0hFEaZusu714Uyyh0dv8MPgMqVLeIkI0QHBoWJbCzCFX0olPqtxTh2q95uvewe45Es+0+iD/4no6Cg=="
)
A2_KEY = "00000000000000000000000000000017"
A2_SEALED = (
    "hZe6/vIEzgEA6VE35/SjJwPCw0rPPQDgfmIEG/J5r7QxPHvz7eTt/lIXF1Sj7tT2WSrF98uQYkuC/qTaJdjAJg=="
)
A3_FIELDS = {
    "out_refund_no": "R20260101000001",
    "out_trade_no": "T20260101000001",
    "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
    "refund_fee": "88",
    "refund_id": "50000000000000000000000000001",
    "refund_recv_accout": "用户零钱",
    "refund_request_source": "API",
    "refund_status": "SUCCESS",
    "settlement_refund_fee": "88",
    "settlement_total_fee": "100",
    "success_time": "2026-01-02 03:04:05",
    "total_fee": "100",
    "transaction_id": "4200000000202601010000000001",
}
A3_DOCUMENT = (
    "<root>"
    + "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in A3_FIELDS.items())
    + "</root>"
).encode()
A3_SEALED = (
    "WBzGpzQuNpcFxIlFjUUD9BfnwwNUlVAs7bwvgHME4/QqKfx85yy2cZN98j6tU1qrjUF6J1J4xU4Xuo3b+lNaAs27gG"
    "tso/DIzNj/bM43hg3ZLzxOBRUwqM1CnC5hZPqEe6fRAKr8yATlSFKJQ8wrKrCbUhvsnjY9mtgm51F8k17bQPn4gHWo"
    "i+dNtluuQaasMuqlAEE9aJlxIri4y6y2ZgJjOWpRLhdVBKINaDu2Ps8CZfEfC8TjtaKe9vre/Y4iL+RFPR4cU+XSJA"
    "jJRkx4vyeiI2O6ZyzPJn/MAFxPRRkeYmN6vH/Djg1pZrZaR/RzbjQzIGRVCfdOwDWGFD1M+MnlnIKQzbPv1IQS7rwI"
    "ULDQUYcZ0TxPkWQRgMUjQocylDwJSG/+yzWXbQ1gClh5RG0IuFreTQYpbVR02qsfOHUqyFJrcni2HjubAP37uGqf0e"
    "hJADbg+3ck7b1L4qL5FC8ECumlFz7C6NzwPOAX1NXQVEUCDXmUhDX4XZWaSkI52CDaA/cvjUqd7+lOBVvzWR7MZRh6"
    "YK8OPArNOm2c6YtAqLhtt0jbIYzSTDGFwlMThSEKK0w0E7DC8KX0KXdCXHBvGUxriHG5EW42T9i18tJqrQdx1QWmoD"
    "6l3Jm834rLKg7+WNeTEg2BT1tBYOnQkRMNRJgLjnYd0+qvUwEgKGv+y8Gvh7eVLcDtqCwGCTlD+xNUwLFGO/2lPK9I"
    "WHDvgEs96ey3pTIhzp2YQtUkAm9DEXxmEvfHydozDl8BfXSX2bOWXmp4MJ9Fq12K3ujoxO59SeEuQN5nLJTr6Ek+cG"
    "xpGSYL9QeGFFo84U7DiPAqkUq8mcWSv3lWp9Ew2E4GlWlH+gkCyy7uFVR+4WPf1EfAxxRqC8TFpqu3gKxheAMSEVRA"
    "lZeokGXUIrRSsvv99+kHhNp6KEspJSybYVZ93kmbud68viz2mpU7B8Zog1q+u+OMlPl8Aq5o+CTVQnEVBkm9oM47Ra"
    "L3TaIxLftxKsyUN+2gf95XkFyW12OkyEK9ZSjdwZhoVNVwBb78Z6z3Ag=="
)


@pytest.mark.parametrize(
    ("document", "key", "sealed"),
    [
        (A1_DOCUMENT, K1, A1_SEALED),
        (A1_DOCUMENT, A2_KEY, A2_SEALED),
        (A3_DOCUMENT, K1, A3_SEALED),
    ],
    ids=["A1", "A2", "A3"],
)
def test_every_vector_of_the_sheet_is_sealed_and_opened(document, key, sealed):
    assert seal(document, key) == sealed
    assert unseal(sealed, key) == document


def test_the_third_vector_has_the_sheets_sizes():
    assert (len(A3_DOCUMENT), len(A3_SEALED)) == (772, 1048)


def test_the_vectors_are_read_as_fields():
    assert decrypt_req_info(A1_SEALED, K1) == {"refund_status": "SUCCESS"}
    assert decrypt_req_info(A2_SEALED, A2_KEY) == {"refund_status": "SUCCESS"}
    assert decrypt_req_info(A3_SEALED, K1) == A3_FIELDS


@pytest.mark.parametrize(
    "secret",
    [b"D96EB16AFDD491FA1E705096EDBC2205", bytes.fromhex("d96eb16afdd491fa1e705096edbc2205")],
    ids=["upper case", "raw bytes"],
)
def test_a_document_sealed_under_the_well_known_wrong_keys_does_not_open(secret):
    encryptor = Cipher(algorithms.AES(secret), modes.ECB()).encryptor()  # noqa: S305
    padded = A1_DOCUMENT + bytes([13]) * 13
    sealed = base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()

    with pytest.raises(MalformedMessage):
        decrypt_req_info(sealed, K1)


def test_blanks_and_line_breaks_in_the_base64_and_after_the_root_are_tolerated():
    assert decrypt_req_info(f" {A1_SEALED[:40]}\n{A1_SEALED[40:]}\r\n", K1) == {
        "refund_status": "SUCCESS"
    }
    spaced = b"<root>\n<refund_status>SUCCESS</refund_status>\n</root>\n"
    assert decrypt_req_info(seal(spaced, K1), K1) == {"refund_status": "SUCCESS"}


@pytest.mark.parametrize(
    "sealed",
    ["", "====", "not base64!", "微信", "QUJD", A1_SEALED[:-8], A1_SEALED[4:], A2_SEALED],
)
def test_what_does_not_open_is_malformed_and_nothing_else(sealed):
    with pytest.raises(MalformedMessage):
        decrypt_req_info(sealed, K1)


@pytest.mark.parametrize(
    "document",
    [
        b"<!DOCTYPE root [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><root><a>&x;</a></root>",
        b"<xml><refund_status>SUCCESS</refund_status></xml>",
        b"<root><a><b/></a></root>",
        b"",
    ],
)
def test_the_inner_document_meets_the_same_door(document):
    with pytest.raises(MalformedMessage):
        decrypt_req_info(seal(document, K1), K1)


def test_neither_key_nor_document_is_in_the_exception():
    with pytest.raises(MalformedMessage) as caught:
        decrypt_req_info(A1_SEALED, OTHER_KEY)

    assert OTHER_KEY not in str(caught.value)
    assert "SUCCESS" not in str(caught.value)


@given(st.dictionaries(st.from_regex("[a-z_]{1,20}", fullmatch=True), st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs", "Cn"]), min_size=1
)))  # fmt: skip
def test_what_is_sealed_is_opened_unchanged(fields):
    assert decrypt_req_info(encrypt_req_info(fields, KEY), KEY) == fields


@given(st.text())
def test_no_text_whatever_makes_it_raise_anything_else(sealed):
    with pytest.raises(MalformedMessage):
        decrypt_req_info(sealed, KEY)
