"""Law 5: every setting is documented and read, and settings are read in one place."""

from __future__ import annotations

import ast

from django_wxpay import conf
from django_wxpay.protocol.merchants import Merchant
from tests.laws.source import PACKAGE, imported, modules

CONF = "django_wxpay/conf/settings.py"
# The settings, and those of one merchant.
BECOME_TYPED = {CONF, "django_wxpay/conf/entries.py"}
# Django's own settings are looked at beside ours: ALLOWED_HOSTS, PREPEND_WWW.
READERS_OF_SETTINGS = {CONF, "django_wxpay/conf/project.py"}


def test_every_row_of_the_tables_is_read_when_the_settings_become_a_config() -> None:
    read = {
        node.slice.value
        for module in modules(PACKAGE)
        if module.path in BECOME_TYPED
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "value"
        if isinstance(node.slice, ast.Constant)
    }
    assert {row.name for row in (*conf.SETTINGS, *conf.MERCHANT_SETTINGS)} - read == set()


def test_every_row_says_what_it_is_for_and_has_the_code_of_its_check() -> None:
    rows = (*conf.SETTINGS, *conf.MERCHANT_SETTINGS)
    assert [row.name for row in rows if not row.doc.endswith((".", "..."))] == []
    assert [row.name for row in rows if not row.code.startswith("E")] == []


def test_every_merchant_setting_has_its_field() -> None:
    fields = set(Merchant.__dataclass_fields__)
    assert {row.name.lower() for row in conf.MERCHANT_SETTINGS} == fields - {"alias"}


def test_nothing_but_conf_reads_the_settings_of_a_project() -> None:
    found = {
        module.path
        for module in modules(PACKAGE)
        for node in ast.walk(module.tree)
        for name in imported(node)
        if name.startswith("django.conf.settings")
    }
    assert found <= READERS_OF_SETTINGS
