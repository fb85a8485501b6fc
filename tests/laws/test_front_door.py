"""The typed arguments of an order are those of ``OrderTerms``, and mypy refuses a wrong call."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from django_wxpay import services
from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.protocol.v2.fields import MICROPAY_RULES
from django_wxpay.services.orders.fields import CodePayFields, OrderFields
from tests.laws.source import ROOT

# From the settings, so no argument; and our own, so no field of unifiedorder.
FROM_SETTINGS = {"mch_id", "notify_url"}
OURS: dict[str, Any] = {"merchant": str, "reference": str | int}
# Also taken in another form, or left to the settings by a None.
WIDER: dict[str, Any] = {
    "appid": str | None,
    "sub_appid": str | None,
    "sub_mch_id": str | None,
    "out_trade_no": str | None,
    "detail": str | Mapping[str, Any],
    "scene_info": str | Mapping[str, Any],
    "time_start": datetime | str | None,
    "time_expire": datetime | str | None,
}
# Without a default in OrderTerms, and filled in from the settings or by ourselves.
FILLED_IN = {"appid", "mch_id", "out_trade_no"}

RIGHT = 'trade_type="NATIVE", body="Tea", total_fee=1800, detail={"goods_detail": []}'


def test_the_arguments_are_the_fields_of_an_order_with_their_types() -> None:
    terms = get_type_hints(OrderTerms)
    expected = {name: kind for name, kind in terms.items() if name not in FROM_SETTINGS}
    assert get_type_hints(OrderFields) == expected | WIDER | OURS
    assert WIDER.keys() <= expected.keys()


def test_the_arguments_without_a_default_are_required() -> None:
    bare = {each.name for each in fields(OrderTerms) if each.default is MISSING}
    assert OrderFields.__required_keys__ == bare - FILLED_IN


@pytest.mark.parametrize("name", ["create_order", "get_or_create_order", "checkout"])
def test_a_front_door_takes_these_arguments_and_no_others(name: str) -> None:
    hints = getattr(services, name).__annotations__
    assert hints.keys() - {"return"} == {"fields"}
    assert hints["fields"] == "Unpack[OrderFields]"


def test_the_arguments_of_a_payment_by_code_are_those_that_micropay_takes() -> None:
    ours = get_type_hints(CodePayFields)
    assert {**ours, "auth_code": str} == {
        **{name: kind for name, kind in get_type_hints(OrderFields).items() if name in ours},
        "auth_code": str,
    }
    taken = MICROPAY_RULES.keys() - {"nonce_str", "sign", "sign_type", "mch_id", "deposit"}
    assert ours.keys() - {"merchant", "reference"} == taken
    assert CodePayFields.__required_keys__ == {"auth_code", "body", "total_fee"}
    for name in ("pay_by_code", "open_sale"):
        hints = getattr(services, name).__annotations__
        assert hints["fields"] == "Unpack[CodePayFields]"


def _errors(tmp_path: Path, calls: str) -> str:
    """Return what mypy prints for ``calls``, strictly, in a project without Django's plugin."""
    caller = tmp_path / "caller.py"
    caller.write_text(f"from django_wxpay import services\n\n{calls}\n")
    config = tmp_path / "mypy.ini"
    # What others leave untyped is not the caller's mistake; mistakes in other files are not shown.
    options = (
        "strict = True",
        "ignore_missing_imports = True",
        "follow_imports = silent",
        "no_site_packages = True",
    )
    config.write_text("\n".join(["[mypy]", *options]))
    command = ["-m", "mypy", "--config-file", str(config), "--cache-dir", str(tmp_path / "cache")]
    run = subprocess.run(
        [sys.executable, *command, str(caller)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode in {0, 1}, run.stdout + run.stderr
    return run.stdout


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
def test_mypy_accepts_a_right_call_and_names_what_is_wrong_with_the_others(tmp_path: Path) -> None:
    calls = {
        f"services.checkout({RIGHT})": "",
        f"services.get_or_create_order({RIGHT}, out_trade_no=None)": "",
        f"services.create_order({RIGHT}, reference=str(1))": "",
        f"services.checkout({RIGHT}, trade_tpye=3)": '"trade_tpye"',
        f"services.create_order({RIGHT}, openid=3)": '"openid"',
        'services.checkout(trade_type="NATIVE", body="Tea", total_fee="1800")': '"total_fee"',
        'services.pay_by_code(auth_code="1", body="Tea", total_fee=1800)': "",
        'services.pay_by_code(auth_code=1, body="Tea", total_fee=1800)': '"auth_code"',
        'services.pay_by_code(body="Tea", total_fee=1800)': '"auth_code"',
        'services.pay_by_code(auth_code="1", body="Tea", total_fee=1, openid="o")': '"openid"',
        'services.get_or_create_order(body="Tea", total_fee=1800)': '"trade_type"',
        'services.checkout(trade_type="NATIVE", total_fee=1800)': '"body"',
        'services.checkout(trade_type="NATIVE", body=None, total_fee=1800)': '"body"',
    }
    printed = _errors(tmp_path, "\n".join(calls))
    for line, (call, named) in enumerate(calls.items(), start=3):
        found = [text for text in printed.splitlines() if f"caller.py:{line}: error:" in text]
        assert bool(found) is bool(named), (call, printed)
        assert named in "".join(found), (call, printed)
