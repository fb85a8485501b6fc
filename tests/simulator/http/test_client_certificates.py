"""Client certificates below ``/secapi/``: over TLS, in this process, and as an option elsewhere."""

from __future__ import annotations

import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import CommandError, call_command
from django.test import override_settings

from django_wxpay.management.commands import wxpay_simulator
from django_wxpay.protocol import v2
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.simulator import (
    DEMO_MERCHANTS,
    Options,
    Simulator,
    create_app,
    running,
    tls_context,
)
from tests.simulator.calling import (
    INSTITUTION,
    INSTITUTION_KEY,
    MCH_ID,
    NUMBER,
    ORDER,
    SUB_MCH_ID,
    Merchant,
)
from tests.simulator.http.certificates import Authority, Pair

REFUND = {
    "out_trade_no": NUMBER,
    "out_refund_no": "R1",
    "total_fee": "100",
    "refund_fee": "40",
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "tests")


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    return authority.issue("127.0.0.1")


@pytest.fixture(scope="module")
def own(authority: Authority) -> Pair:
    """The certificate in the settings of the direct merchant."""
    return authority.issue(MCH_ID)


@pytest.fixture(scope="module")
def unnamed(authority: Authority) -> Pair:
    """One of the institution, whose settings hold none."""
    return authority.issue(INSTITUTION)


@pytest.fixture
def app(own: Pair) -> Simulator:
    direct, institution, *rest = DEMO_MERCHANTS
    return create_app([replace(direct, client_cert=own.pem), institution, *rest])


@pytest.fixture
def url(app: Simulator, authority: Authority, server: Pair) -> Iterator[str]:
    tls = tls_context(
        *server.files,
        client_certificates=app.client_certificates,
        client_ca=authority.file,
    )
    with running(app, tls=tls) as url:
        yield url


class Client(Merchant):
    """Calls the simulator over TLS."""

    def __init__(self, app: Simulator, url: str, authority: Authority, **identity: str) -> None:
        super().__init__(app, host=url, **identity)
        self.session = requests.Session()
        self.session.verify = authority.file
        self.session.trust_env = False

    def refund(self, certificate: Pair | None) -> requests.Response:
        return self.post(
            "/secapi/pay/refund",
            self.signed(REFUND),
            cert=None if certificate is None else certificate.files,
        )


@pytest.fixture
def client(app: Simulator, url: str, authority: Authority) -> Iterator[Client]:
    client = Client(app, url, authority)
    client.place()
    app.pay(MCH_ID, NUMBER)
    yield client
    app.reset()


def test_a_merchant_refunds_with_its_own_certificate(client: Client, own: Pair) -> None:
    assert client.host.startswith("https://127.0.0.1:")
    response = client.refund(own)
    assert (response.status_code, v2.decode_xml(response.content)["result_code"]) == (
        200,
        "SUCCESS",
    )
    assert len(client.app.ledger()["refunds"]) == 1


def test_without_a_certificate_a_refund_is_answered_with_a_page(client: Client) -> None:
    response = client.refund(None)
    assert (response.status_code, response.headers["Content-Type"]) == (400, "text/html")
    assert b"No required SSL certificate was sent" in response.content
    assert client.app.ledger()["refunds"] == []
    call = client.app.ledger()["requests"][-1]
    assert (call["operation"], call["http_status"]) == ("refund", 400)


def test_the_certificate_of_another_merchant_is_no_better(
    client: Client, unnamed: Pair, authority: Authority
) -> None:
    for certificate in (unnamed, authority.issue(f"{MCH_ID}0")):
        response = client.refund(certificate)
        assert (response.status_code, b"SSL certificate error" in response.content) == (400, True)
    assert client.app.ledger()["refunds"] == []


def test_another_certificate_with_the_same_name_is_not_the_one_in_the_settings(
    client: Client, tmp_path: Path, authority: Authority
) -> None:
    other = Authority(tmp_path, "other")
    other.key, other.name = authority.key, authority.name
    response = client.refund(other.issue(MCH_ID))
    assert (response.status_code, b"SSL certificate error" in response.content) == (400, True)


def test_a_certificate_that_nobody_here_issued_opens_no_connection(
    client: Client, tmp_path: Path
) -> None:
    with pytest.raises(requests.RequestException):
        client.refund(Authority(tmp_path, "elsewhere").issue(MCH_ID))
    assert client.app.ledger()["refunds"] == []


def test_a_certificate_in_the_settings_is_trusted_without_its_issuer(
    app: Simulator, server: Pair, own: Pair, authority: Authority
) -> None:
    tls = tls_context(*server.files, client_certificates=app.client_certificates)
    with running(app, tls=tls) as url:
        client = Client(app, url, authority)
        client.place()
        app.pay(MCH_ID, NUMBER)
        assert client.refund(own).status_code == 200
    app.reset()


def test_where_the_settings_hold_none_the_name_has_to_be_the_merchants(
    app: Simulator, url: str, authority: Authority, own: Pair, unnamed: Pair
) -> None:
    client = Client(
        app, url, authority, mch_id=INSTITUTION, key=INSTITUTION_KEY, sub_mch_id=SUB_MCH_ID
    )
    client.place()
    app.pay(INSTITUTION, NUMBER)
    assert client.refund(own).status_code == 400
    assert v2.decode_xml(client.refund(unnamed).content)["result_code"] == "SUCCESS"
    app.reset()


def test_all_other_calls_need_no_certificate(client: Client, own: Pair) -> None:
    client.refund(own)
    assert client.query()["trade_state"] == "REFUND"
    assert client.call("/pay/refundquery", {"out_refund_no": "R1"})["refund_count"] == "1"


@pytest.mark.parametrize("body", [b"", b"nonsense", b"<xml><mch_id>1900009999</mch_id></xml>"])
def test_a_certificate_for_nobody_in_particular_is_refused(
    client: Client, own: Pair, body: bytes
) -> None:
    response = client.post("/secapi/pay/refund", body, cert=own.files)
    assert response.status_code == 400


def test_a_client_that_says_nothing_holds_up_no_other(client: Client, url: str) -> None:
    port = int(url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)):
        assert client.query()["trade_state"] == "SUCCESS"


def test_a_reset_is_a_reset_over_tls_too(client: Client) -> None:
    client.app.inject("reset", operation="orderquery")
    with pytest.raises(requests.ConnectionError):
        client.query()
    assert client.query()["trade_state"] == "SUCCESS"


def test_the_ledger_is_read_over_tls(client: Client) -> None:
    response = client.session.get(f"{client.host}/_simulator/ledger")
    assert (response.status_code, len(response.json()["trades"])) == (200, 1)


def test_in_this_process_a_certificate_is_asked_for_only_as_an_option(own: Pair) -> None:
    for is_required, status in ((False, 200), (True, 400)):
        options = Options(requires_client_certificate=is_required)
        direct = replace(DEMO_MERCHANTS[0], client_cert=own.pem)
        merchant = Merchant(create_app([direct], options=options))
        merchant.place()
        merchant.app.pay(MCH_ID, NUMBER)
        response = merchant.post("/secapi/pay/refund", merchant.signed(REFUND))
        assert response.status_code == status
        shown = merchant.post("/secapi/pay/refund", merchant.signed(REFUND), cert=own.files)
        assert v2.decode_xml(shown.content)["result_code"] == "SUCCESS"
        assert merchant.place(**{**ORDER, "out_trade_no": "T2222222"})["result_code"] == "SUCCESS"
        merchant.app.reset()


@pytest.mark.parametrize("shows", ["a file", "a file and its key", "an object"])
def test_in_this_process_a_certificate_that_is_shown_is_looked_at(
    own: Pair, unnamed: Pair, shows: str
) -> None:
    direct = replace(DEMO_MERCHANTS[0], client_cert=own.pem)
    merchant = Merchant(create_app([direct]))
    merchant.place()
    merchant.app.pay(MCH_ID, NUMBER)

    def refund(pair: Pair) -> int:
        forms: dict[str, Any] = {
            "a file": pair.files[0],
            "a file and its key": pair.files,
            "an object": pair,
        }
        body = merchant.signed(REFUND)
        return merchant.post("/secapi/pay/refund", body, cert=forms[shows]).status_code

    assert (refund(unnamed), refund(own)) == (400, 200)
    merchant.app.reset()


def test_what_is_no_certificate_is_nobodys(tmp_path: Path, own: Pair) -> None:
    file = tmp_path / "nonsense.pem"
    file.write_text("nonsense")
    for client_cert in (own.pem, ""):
        direct = replace(DEMO_MERCHANTS[0], client_cert=client_cert)
        merchant = Merchant(create_app([direct]))
        response = merchant.post("/secapi/pay/refund", merchant.signed(REFUND), cert=str(file))
        assert response.status_code == 400


def test_two_aliases_of_one_merchant_may_have_two_certificates(own: Pair, unnamed: Pair) -> None:
    direct = DEMO_MERCHANTS[0]
    both = [
        replace(direct, client_cert=own.pem),
        replace(direct, alias="second", client_cert=unnamed.pem),
    ]
    app = create_app(both)
    assert app.client_certificates == [own.pem, unnamed.pem]
    merchant = Merchant(app)
    for pair in (own, unnamed):
        response = merchant.post("/secapi/pay/refund", merchant.signed(REFUND), cert=pair.files)
        assert response.status_code == 200
    assert own.pem not in repr(app)


@pytest.mark.parametrize("wrong", ["certificate", "key", "client_ca", "another key", "settings"])
def test_files_that_do_not_fit_are_named(
    tmp_path: Path, server: Pair, own: Pair, authority: Authority, wrong: str
) -> None:
    nothing = str(tmp_path / "missing.pem")
    given: dict[str, Any] = {"certificate": server.files[0], "key": server.files[1]}
    if wrong == "settings":
        given["client_certificates"] = ["nonsense"]
    elif wrong == "another key":
        given["key"] = own.files[1]
    else:
        given[wrong] = nothing
    with pytest.raises(ConfigurationError, match="certificate, key or client CA"):
        tls_context(**given)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ssl.SSLContext | None]:
    contexts: list[ssl.SSLContext | None] = []

    def serve(
        app: Simulator,
        host: str,
        port: int,
        *,
        ready: Callable[[str], None],
        tls: ssl.SSLContext | None,
    ) -> None:
        contexts.append(tls)
        ready(f"https://{host}:{port}")

    monkeypatch.setattr(wxpay_simulator, "serve", serve)
    return contexts


def run(**options: object) -> None:
    # Beside the main thread the command leaves the signals of this process alone.
    failures: list[BaseException] = []

    def call() -> None:
        try:
            call_command("wxpay_simulator", stdout=io.StringIO(), **options)
        except CommandError as error:
            failures.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def test_the_command_serves_tls(
    served: list[ssl.SSLContext | None], server: Pair, authority: Authority
) -> None:
    certificate, key = server.files
    with override_settings():
        run()
        run(certificate=certificate, key=key)
        run(certificate=certificate, key=key, client_ca=authority.file)
    assert [tls is not None and tls.verify_mode for tls in served] == [
        False,
        ssl.CERT_OPTIONAL,
        ssl.CERT_OPTIONAL,
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"certificate": "here"}, "needs both"),
        ({"key": "here"}, "needs both"),
        ({"client_ca": "here"}, "needs both"),
        ({"certificate": "/nowhere", "key": "/nowhere"}, "certificate, key or client CA"),
    ],
)
def test_the_command_names_files_that_are_missing(
    served: list[ssl.SSLContext | None], options: dict[str, str], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run(**options)
    assert served == []
