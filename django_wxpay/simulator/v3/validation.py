"""Validation of JSON with ``jsonschema``, and the gateway's words for an error of it.

Of several errors the first in the order of the document is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from django_wxpay.protocol.rules import Rule

# The schemas are closed, and WeChat Pay documents new members at any time: one that is refused as
# undocumented may have been documented since the newest source of protocol-v3 section 4.2.
DOCUMENTED_UP_TO: Final = "2026-10"
UNDOCUMENTED: Final = f"undocumented member (documents up to {DOCUMENTED_UP_TO})"


@dataclass(frozen=True, slots=True, kw_only=True)
class V3Problem:
    """A fault in a request, as an error answer of protocol-v3 section 7.1 describes it.

    ``field`` is a JSON pointer into the body, or the plain name of a query parameter.
    """

    field: str
    issue: str
    code: str = "PARAM_ERROR"
    location: str = "body"
    value: Any = attribute(default=None, repr=False)

    @property
    def detail(self) -> dict[str, Any]:
        """The ``detail`` member of the answer."""
        names = ("field", "value", "issue", "location")
        return {name: getattr(self, name) for name in names}


def first_problem(validator: Validator, document: Mapping[str, Any]) -> V3Problem | None:
    """Return the first problem that ``validator`` finds, None if there is none."""
    error = next(iter(validator.iter_errors(dict(document))), None)
    return None if error is None else _problem(error)


def _problem(error: ValidationError) -> V3Problem:
    """Return ``error`` in the gateway's words."""
    at = "".join(f"/{step}" for step in error.absolute_path)
    rule: Any = error.validator_value
    value: Any = error.instance
    schema: Any = error.schema
    match error.validator:
        case "required":
            absent = next(name for name in rule if name not in value)
            return V3Problem(field=f"{at}/{absent}", issue="missing")
        case "anyOf":
            names = [branch["required"][0] for branch in rule]
            return V3Problem(field=f"{at}/{names[0]}", issue=f"one of {', '.join(names)}")
        case "additionalProperties":
            name = next(name for name in value if name not in schema["properties"])
            return V3Problem(field=f"{at}/{name}", issue=UNDOCUMENTED, value=value[name])
        case "minimum" | "maximum":
            issue = f"not from {schema['minimum']} to {schema['maximum']}"
        case "enum":
            issue = "not one of the words known"
        case "rule":
            issue = error.message
        case _:
            issue = _NOT_OF_TYPE[schema["type"]]
    return V3Problem(field=at, issue=issue, value=value)


def _check_rule(
    _: Validator, rule: Rule, value: str, _schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    problem = rule.problem(value)
    if problem:
        yield ValidationError(problem)


def _is_integer(_: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


BodyValidator: Final[type[Validator]] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    # The protocol's rules of texts, as a keyword: a schema has the rule itself.
    validators={"rule": _check_rule},
    # JSON Schema takes 1.0 for an integer; WeChat Pay does not.
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)
_NOT_OF_TYPE: Final = {
    "object": "not an object with members",
    "array": "not an array of at least one",
    "string": "not a string",
    "integer": "not an integer",
    "boolean": "not a boolean",
}
