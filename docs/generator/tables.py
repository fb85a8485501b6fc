"""The reference of what is a table in the code: settings, and WeChat Pay's error codes."""

from __future__ import annotations

from collections.abc import Iterable

from django_wxpay import conf
from django_wxpay.conf.schema import Setting
from django_wxpay.protocol.error_codes import TABLE, Verdict
from django_wxpay.protocol.v3.errors import V3_TABLE, normalised
from docs.generator.markdown import code, page, table

_MEANINGS = {
    Verdict.FINAL: "final",
    Verdict.RETRY: "may succeed if sent again",
    Verdict.UNKNOWN: "not known: query first",
    Verdict.OUR_MISTAKE: "correct something first",
}


def settings_page() -> str:
    """Return every setting with its default, its check and its sentence."""
    merchants = (
        code("MERCHANTS"),
        "required",
        "",
        'Your merchants, each by an alias of your own. An order that names none is of "default".',
    )
    head = ["Setting", "Default", "Check", ""]
    return page(
        "Settings",
        "Everything is in one dict, `WXPAY`. [Accounts](../accounts.md) has samples for every kind "
        "of merchant, and [In your project](../projects.md) explains each check.",
        "## The project",
        table(head, [merchants, *_settings(conf.SETTINGS)]),
        "## Each merchant",
        table(head, _settings(conf.MERCHANT_SETTINGS)),
        "PEMs may be text, with real or literal `\\n`, or the path of a file, a `pathlib.Path` "
        "included. Blanks and line ends around a value, which mounted secrets bring along, are "
        "left out.",
    )


def _settings(rows: Iterable[Setting]) -> list[tuple[str, str, str, str]]:
    return [(code(row.name), _default(row), code(row.code), row.doc) for row in rows]


def _default(row: Setting) -> str:
    if row.default is None:
        # Hosts have a default of each region.
        is_required = row.problem(None) and row.name != "HOSTS"
        return "required" if is_required else ""
    return code(repr(list(row.default) if row.default == () else row.default).replace("'", '"'))


def error_codes_page() -> str:
    """Return every code of both protocols, with what it means and what to do."""
    known = {row.code: row for row in TABLE.values()}
    v3 = [
        (code(name), row)
        for name, row in sorted(V3_TABLE.items())
        if row != known.get(row.code) or normalised(row.code) != name
    ]
    rows = [
        (
            code(row.code),
            "v2, v3" if normalised(row.code) in V3_TABLE else "v2",
            _MEANINGS[row.verdict],
            row.advice,
        )
        for row in sorted(known.values(), key=lambda row: row.code)
    ]
    return page(
        "Error codes",
        "What WeChat Pay refuses with, and what to do. `Refused.kind` is the first column, "
        "`Refused.advice` the last. A code that is not here counts as an outcome that is not "
        "known.",
        table(["Code", "Protocol", "The refusal is", "What to do"], rows),
        "## Where APIv3 differs",
        "APIv3 writes codes with underscores or without; both are found. These are other words of "
        "its own, or have other advice there.",
        table(
            ["APIv3, without underscores", "Code", "What to do"],
            [(name, code(row.code), row.advice) for name, row in v3],
        ),
    )
