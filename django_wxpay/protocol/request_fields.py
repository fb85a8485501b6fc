"""The row of a request field, for both protocols, and the check of a request against its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django_wxpay.protocol.errors import InvalidOrder, InvalidParameter
from django_wxpay.protocol.merchants import Mode
from django_wxpay.protocol.rules import Rule
from django_wxpay.protocol.sentences import sentence as _

# The one problem that is not about a value: a required field is absent.
MISSING: Final = _("missing")


@dataclass(frozen=True, slots=True)
class Field:
    """One row: the rule of a field, and whether a request must carry it.

    ``institutional`` fields belong to institutional mode alone, and ``required`` then means
    required there.
    """

    rule: Rule
    required: bool = False
    institutional: bool = False


def check_fields(
    rules: Mapping[str, Field],
    fields: Mapping[str, str],
    *,
    mode: Mode,
    leaving_out: frozenset[str] = frozenset(),
    error: type[InvalidParameter] = InvalidOrder,
) -> None:
    """Raise ``error`` for the first of ``fields`` that is missing or breaks its rule.

    Fields without a row are not looked at, for the gateway tolerates them; neither are
    those in ``leaving_out``. An empty value counts as absent
    (protocol-v2 section 9).
    """
    for name, row in rules.items():
        if name in leaving_out:
            continue
        problem = _problem(row, fields.get(name, ""), mode)
        if problem:
            raise error(name, problem, row.rule.text)


def _problem(row: Field, value: str, mode: Mode) -> str:
    foreign = row.institutional and mode is not Mode.INSTITUTIONAL
    if value:
        return _("only for institutional mode") if foreign else row.rule.problem(value)
    return MISSING if row.required and not foreign else ""
