"""Law 9 and two house rules: no attics, and no ``assert`` that ``python -O`` would remove."""

from __future__ import annotations

import ast

from tests.laws.source import EXAMPLE, PACKAGE, ROOT, modules

# Where a stranger's code or message may fail in any way, and what it did is written down.
EDGES = {
    "django_wxpay/services/notifications/receiving.py",
    # One stored notification stops no other, whatever comes of looking at it again.
    "django_wxpay/services/notifications/retrying.py",
    # A driver's exception must not fail the answer to a refusal, which is the edge's.
    "django_wxpay/services/notifications/refusals.py",
    # One stored notification that cannot be read stops no other.
    "django_wxpay/services/transitions/dispatch.py",
    "django_wxpay/services/worker/running.py",
    # OpenTelemetry's samplers, processors and exporters are the project's code.
    "django_wxpay/services/telemetry.py",
    "django_wxpay/services/telemetry_guard.py",
    # What a thread raised is raised again where its result is asked for.
    "django_wxpay/services/patience.py",
    # A driver's exception is looked at, and raised again if nothing helps against it.
    "django_wxpay/services/transactions.py",
    # What reads a body is the server's code.
    "django_wxpay/views.py",
    # A source of merchants is the project's code, and one merchant that is nonsense stops no other.
    "django_wxpay/conf/sources.py",
    "django_wxpay/conf/asking.py",
    "django_wxpay/conf/directories.py",
    "django_wxpay/conf/answers.py",
    "django_wxpay/conf/versions.py",
    # A storage is the project's, and its errors are of its own kinds.
    "django_wxpay/services/bills/storage.py",
}
ATTICS = {"utils.py", "helpers.py", "common.py", "mixins.py", "misc.py"}


def test_no_file_is_an_attic() -> None:
    folders = (PACKAGE, EXAMPLE, ROOT / "tests")
    found = [path for folder in folders for path in folder.rglob("*.py") if path.name in ATTICS]
    assert found == []


def test_the_package_asserts_nothing() -> None:
    found = [
        f"{module.path}:{node.lineno}"
        for module in modules(PACKAGE, EXAMPLE)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_every_module_says_what_it_decides() -> None:
    found = [
        module.path
        for module in modules(PACKAGE, EXAMPLE)
        if module.tree.body and ast.get_docstring(module.tree) is None
    ]
    assert found == []


def test_everything_is_caught_only_at_the_edges() -> None:
    found = {
        module.path
        for module in modules(PACKAGE)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        if node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}
    }
    assert found <= EDGES
