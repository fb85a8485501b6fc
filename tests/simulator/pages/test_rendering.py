"""The simulator's one piece of Django: the template engine, without settings."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

from tests.laws.source import PACKAGE, imported, modules

RENDER = """
import io
from django.conf import settings
from django_wxpay.simulator import create_app
from django_wxpay.simulator.http.adapter import call, environment

request = environment(
    method="GET", scheme="http", target="/_simulator/", server=("x", 80), headers={}, body=b""
)
called = call(create_app(), request)
print(called.status, settings.configured, b"</html>" in called.body)
"""


def test_of_django_only_the_template_engine_is_imported() -> None:
    names = {
        name
        for module in modules(PACKAGE / "simulator")
        for node in ast.walk(module.tree)
        for name in imported(node)
        if name.split(".")[0] in {"django", "rest_framework"}
    }
    assert names == {"django.template.Context", "django.template.Engine"}


def test_a_page_needs_no_settings() -> None:
    variables = {name: text for name, text in os.environ.items() if not name.startswith("DJANGO")}
    done = subprocess.run(
        [sys.executable, "-c", RENDER], env=variables, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["200", "False", "True"]
