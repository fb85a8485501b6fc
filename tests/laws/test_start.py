"""The start of a process that has the app: what it loads, and what waits until it is used."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

from django_wxpay import services
from django_wxpay.protocol import v2, v3
from django_wxpay.services import public
from tests.laws.source import ROOT

# The client of WeChat Pay, its ciphers, and what only some pages of the API or a simulator need.
LATER = (
    "cryptography",
    "requests",
    "urllib3",
    "segno",
    "jsonschema",
    "drf_spectacular",
    "django_wxpay.api",
    "django_wxpay.gateway",
    "django_wxpay.services.public",
    "django_wxpay.simulator",
)
START = """
import sys
from tests.benchmarks import one_process
one_process.main("with", "start")
print(*sys.modules)
"""


def test_django_starts_without_the_client_of_wechat_pay_and_its_ciphers() -> None:
    done = subprocess.run(
        [sys.executable, "-c", START], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "django_wxpay.admin.orders.admin" in loaded
    assert loaded & set(LATER) == set()


@pytest.mark.parametrize("face", [services, v2, v3])
def test_each_public_name_is_there_when_it_is_asked_for_and_no_other(face: ModuleType) -> None:
    for name in face.__all__:
        assert getattr(face, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'tea'"):
        face.tea  # noqa: B018


def test_the_public_calls_are_those_that_services_names() -> None:
    assert services.__all__ == public.__all__
