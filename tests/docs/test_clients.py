"""The page for clients of other makers, held against the command, its file and the tests."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.simulator import Folder, read_config
from django_wxpay.simulator.__main__ import _parser
from tests.docs.markdown import blocks, text_of
from tests.laws.source import ROOT

PAGE = text_of("docs/clients.md")


def test_the_sample_of_the_file_is_taken(tmp_path: Path) -> None:
    [sample] = blocks(PAGE, "json")
    (tmp_path / "merchants.json").write_text(sample, encoding="utf-8")
    folder = Folder(tmp_path / "keys", now=datetime.now(UTC))
    [account] = read_config(tmp_path / "merchants.json", folder).accounts
    assert account.mch_id == "1900000001"
    made = {path.name for path in (tmp_path / "keys").rglob("*.*")}
    assert {"ca.pem", "wechatpay_public_key.pem", "wechatpay_cert.pem"} <= made
    assert {"apiclient_key.pem", "apiclient_cert.pem", "apiclient_cert.p12"} <= made


def test_every_option_of_the_command_is_in_the_table() -> None:
    named = re.findall(r"(?<=`)--[a-z-]+", PAGE.partition("## The file")[0])
    assert set(named) == set(_parser()._option_string_actions) - {"--help", "-h"}


def test_every_member_of_a_merchant_is_in_the_table(tmp_path: Path) -> None:
    [sample] = blocks(PAGE, "json")
    document = json.loads(sample)
    document["merchants"][0]["unheard-of"] = 1
    (tmp_path / "merchants.json").write_text(json.dumps(document), encoding="utf-8")
    folder = Folder(tmp_path / "keys", now=datetime.now(UTC))
    with pytest.raises(ConfigurationError) as raised:
        read_config(tmp_path / "merchants.json", folder)
    known = str(raised.value).partition("known here: ")[2].split(", ")
    table = PAGE.partition("| Member of a merchant |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.*?) \|", table, flags=re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(cells))) == sorted(known)


def test_the_clients_are_those_that_are_pinned() -> None:
    package = json.loads(text_of("tests/thirdparty/package.json"))
    rows = re.findall(r"^\| ([\w-]+) \(Node\) \| ([\d.]+) \|", PAGE, flags=re.MULTILINE)
    assert {**dict(rows), "global-agent": package["dependencies"]["global-agent"]} == (
        package["dependencies"]
    )


def test_every_test_of_a_client_exists() -> None:
    paths = re.findall(r"`(tests/[\w/.]+)`", PAGE)
    assert len(paths) >= 5
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads(text_of("tests/thirdparty/package-lock.json"))
    assert not any("resolved" in package for package in lock["packages"].values())
    pinned = json.loads(text_of("tests/thirdparty/package.json"))["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in pinned.values())
    for name, version in pinned.items():
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
