"""Law 1: imports stand at the top of a file, where everybody sees them."""

from __future__ import annotations

import ast

from tests.laws.source import EXAMPLE, PACKAGE, Module, imported, modules

OURS = ("django_wxpay", "example_project", ".")


def hidden_imports(module: Module) -> list[str]:
    """Return imports of our own modules inside functions; AppConfig.ready has to have them."""
    return [
        f"{module.path}:{node.lineno} {function.name} imports {name}"
        for function in ast.walk(module.tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        if not (module.path.endswith("/apps.py") and function.name == "ready")
        for node in ast.walk(function)
        for name in imported(node)
        if name.startswith(OURS)
    ]


def test_none_of_our_modules_is_imported_inside_a_function() -> None:
    found = [line for module in modules(PACKAGE, EXAMPLE) for line in hidden_imports(module)]
    assert found == []


def test_the_law_sees_an_import_inside_a_function() -> None:
    text = "def pay():\n    from django_wxpay import conf\n    import json\n"
    assert hidden_imports(Module("example.py", ast.parse(text))) == [
        "example.py:2 pay imports django_wxpay.conf",
    ]


def test_ready_may_import_only_in_an_app_config() -> None:
    text = ast.parse("def ready(self):\n    from django_wxpay import checks\n")
    assert hidden_imports(Module("django_wxpay/apps.py", text)) == []
    assert len(hidden_imports(Module("django_wxpay/urls.py", text))) == 1
