"""The reference of what Python code uses: services, models, signals and commands."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.db import models as orm
from django.dispatch import Signal
from django.utils.encoding import force_str

from django_wxpay import models, services, signals
from django_wxpay.services.orders.fields import CodePayFields, OrderFields
from docs.generator.markdown import block, code, docstring, page, table

_LINE = 88


def services_page() -> str:
    """Return every public call with its signature and docstring, then the classes it returns."""
    public = {name: getattr(services, name) for name in services.__all__}
    calls = [_call(name, it) for name, it in public.items() if inspect.isfunction(it)]
    classes = [_class(name, it) for name, it in public.items() if inspect.isclass(it)]
    return page(
        "Services",
        "Every call of `django_wxpay.services`, as the code declares it. "
        "[The public interface](../interface.md#3-services) has them in one table, with the "
        "errors. Money is an `int` in the minor unit of its currency.",
        "## Calls",
        *calls,
        "## What calls take and return",
        *(_class(it.__name__, it) for it in (OrderFields, CodePayFields)),
        *classes,
    )


def _call(name: str, function: Any) -> str:
    return f"### {name}\n\n{block(_signature(function))}\n{docstring(function)}"


def _signature(function: Any) -> str:
    """Return the signature as the code spells it; a long one has a line for each argument."""
    (node,) = ast.parse(inspect.getsource(function)).body
    assert isinstance(node, ast.FunctionDef)
    arguments = ast.unparse(node.args)
    returned = f") -> {ast.unparse(node.returns)}" if node.returns else ")"
    line = f"{node.name}({arguments}{returned}"
    if len(line) > _LINE:
        # A comma inside of brackets ends no argument.
        parts = re.split(r", (?![^\[(]*[\])])", arguments)
        line = f"{node.name}(\n    " + ",\n    ".join(parts) + f",\n{returned}"
    line = re.sub(r"=lambda: \w+", "=...", line).replace("'", '"')
    # PEP 8 sets blanks around the default of an argument with a type.
    return re.sub(r"(: [^=,]+)=", r"\1 = ", line)


def _class(name: str, it: Any) -> str:
    if issubclass(it, Enum):
        members = [(code(each.name), code(each.value)) for each in it]
        return f"### {name}\n\n{docstring(it)}\n\n{table(['Member', 'Value'], members)}"
    if is_dataclass(it):
        rows = [(code(each.name), code(_type(each.type))) for each in fields(it)]
    else:
        known = it.__annotations__
        inherited = [
            base for base in getattr(it, "__orig_bases__", ()) if hasattr(base, "__total__")
        ]
        for base in inherited:
            known = base.__annotations__ | known
        rows = [(code(each), code(_type(value))) for each, value in known.items()]
    text = f"### {name}\n\n{docstring(it)}\n\n{table(['Member', 'Type'], rows)}"
    return text + _properties(it)


def _type(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    if not text or "[" in str(annotation):
        text = str(annotation)
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])|<class '|'>", "", text).replace("'", "")


def _properties(it: Any) -> str:
    rows = [
        (code(name), docstring(value))
        for name, value in vars(it).items()
        if isinstance(value, property) and not name.startswith("_")
    ]
    return f"\n{table(['Property', ''], rows)}" if rows else ""


def models_page() -> str:
    """Return every public model with its columns and properties."""
    parts = []
    for name in models.__all__:
        model = getattr(models, name)
        columns = [_column(field) for field in model._meta.concrete_fields]
        text = f"## {name}\n\n{docstring(model)}\n\n"
        parts.append(text + table(["Column", "Type", ""], columns) + _properties(model))
    return page(
        "Models",
        "The tables, column by column. Read them as you like; "
        "[only the services write them](../one-door.md).",
        *parts,
    )


def _column(field: orm.Field[Any, Any]) -> tuple[str, str, str]:
    kind = next(
        base.__name__ for base in type(field).__mro__ if base.__module__.startswith("django.db")
    )
    length = f"({field.max_length})" if field.max_length else ""
    if isinstance(field, orm.ForeignKey):
        length = f"({field.related_model.__name__})"
    words = [force_str(field.verbose_name).capitalize(), force_str(field.help_text)]
    if words[0].lower().replace(" ", "_") == field.name:
        words = words[1:]
    text = ". ".join(word.rstrip(".") for word in words if word)
    if field.choices:
        text += f" ({', '.join(code(value) for value, _ in field.flatchoices)})"
    return code(field.name), f"{kind}{length}" + (", or null" if field.null else ""), text


def signals_page() -> str:
    """Return every signal with the comment that stands above it in the code."""
    rows = [(code(name), comment) for name, comment in _commented_signals()]
    return page(
        "Signals",
        "In `django_wxpay.signals`. [The public interface](../interface.md#7-signals) says what a "
        "receiver may rely on.",
        str(signals.__doc__).partition("\n\n")[2],
        table(["Signal", "Sent"], rows),
    )


def _commented_signals() -> Iterator[tuple[str, str]]:
    source = inspect.getsource(signals)
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if not isinstance(getattr(signals, name), Signal):
                continue
            above = node.lineno - 2
            comment: list[str] = []
            while lines[above].startswith("# "):
                comment.insert(0, lines[above].removeprefix("# "))
                above -= 1
            yield name, " ".join(comment)


def commands_page() -> str:
    """Return every management command with its options, those of all commands left out."""
    ours = sorted(name for name, app in get_commands().items() if app == "django_wxpay")
    return page(
        "Commands",
        "Of `manage.py`, as their `--help` has them. Django's own options (`--settings`, "
        "`--verbosity` and so on) work with each of them.",
        *map(_command, ours),
    )


def _command(name: str) -> str:
    command = load_command_class("django_wxpay", name)
    parser = command.create_parser("manage.py", name)
    everywhere = {each.dest for each in BaseCommand().create_parser("manage.py", name)._actions}
    rows = [
        (
            code(" ".join(filter(None, [action.option_strings[-1], _metavar(action)]))),
            "" if action.default in (None, False, "", []) else code(action.default),
            (action.help or "").replace("%%", "%"),
        )
        for action in parser._actions
        if action.option_strings and action.dest not in everywhere
    ]
    text = f"## {name}\n\n{command.help}\n"
    return text + (f"\n{table(['Option', 'Default', ''], rows)}" if rows else "")


def _metavar(action: Any) -> str:
    if action.nargs == 0:
        return ""
    if action.choices:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return str(action.metavar or action.dest.upper())
