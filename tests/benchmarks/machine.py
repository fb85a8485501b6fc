"""The machine that a run was measured on, as far as a figure may depend on it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import django_wxpay

# What a figure is made of: our dependencies, the peers, and the drivers of the databases.
LIBRARIES: Final = (
    "Django",
    "djangorestframework",
    "requests",
    "urllib3",
    "xmltodict",
    "cryptography",
    "wechatpy",
    "wechatpayv3",
    "psycopg",
    "PyMySQL",
)
_CPU: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Hardware, software and load; ``load`` is the mean of the minute before the run."""

    processor: str
    cores: int
    system: str
    python: str
    libraries: dict[str, str]
    databases: dict[str, str]
    load: float
    at: datetime


def this_machine(databases: Sequence[str]) -> Machine:
    """Describe the machine of now, and the databases of these names."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
        system=f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        libraries={"django-wxpay": django_wxpay.__version__}
        | {name: version(name) for name in LIBRARIES},
        databases={name: _database(name) for name in databases},
        load=os.getloadavg()[0],
        at=datetime.now(UTC),
    )


def _cores() -> int:
    return os.cpu_count() or 1


def _processor() -> str:
    """Return the model of the CPU; Python itself gives no more than its architecture on Linux."""
    if _CPU.exists():
        for line in _CPU.read_text(encoding="utf-8").splitlines():
            name, _, model = line.partition(":")
            if name.strip() == "model name":
                return model.strip()
    return platform.processor() or platform.machine()


def _database(name: str) -> str:
    """Ask the server; one process of Django's knows one database."""
    asked = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.databases"],
        env=os.environ | {"WXPAY_TEST_DATABASE": name},
        capture_output=True,
        text=True,
        check=True,
    )
    return asked.stdout.strip()
