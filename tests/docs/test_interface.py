"""The public interface in ``docs/``, held against the code: what it names exists, and is all."""

from __future__ import annotations

import ast
import inspect
import io
import json
import re
import tokenize
from functools import cache
from typing import Any

import pytest
import requests
from django.contrib.auth.models import Permission
from django.core.management import get_commands, load_command_class
from django.dispatch import Signal
from django.test import Client

from django_wxpay import conf, exceptions, models, services, signals, tasks
from django_wxpay.protocol import v2, v3
from django_wxpay.services import run_jobs
from django_wxpay.simulator import SimulatorAdapter, create_app
from tests.docs.markdown import blocks, code_words, rows, section, text_of
from tests.laws.source import EXAMPLE, PACKAGE, ROOT

PAGE = text_of("docs/interface.md")
SETTINGS = section(PAGE, "2. Settings")
SERVICES, ERRORS = section(PAGE, "3. Services").split("**Errors**")
REST = section(PAGE, "5. REST")
# What the page names that is not the package's own: other packages, files, parts of words.
FOREIGN = {
    "ATOMIC_REQUESTS",
    "CHANGELOG",
    "INSTALLED_APPS",
    "SILENCED_SYSTEM_CHECKS",
    "USE_TZ",
    "REQUESTS_CA_BUNDLE",
    "amp",
    "authentication_failed",
    "md",
    "method_not_allowed",
    "not_acceptable",
    "not_authenticated",
    "optional",
    "permission_denied",
    "prefix",
    "py",
    "throttled",
    "typed",
    "unsupported_media_type",
}


def test_the_settings_are_all_and_only_those_that_there_are() -> None:
    (tree,) = (ast.parse(block).body[0] for block in blocks(SETTINGS, "python"))
    shown = ast.literal_eval(tree.value)  # type: ignore[attr-defined]
    assert set(shown) == {row.name for row in conf.SETTINGS} | {"MERCHANTS"}
    assert set(shown["MERCHANTS"]["default"]) == {row.name for row in conf.MERCHANT_SETTINGS}
    defaults = {row.name: row.default for row in conf.SETTINGS}
    plain = ("TIMEOUT", "HOST_RECOVERY_S", "RECEIVER_TIMEOUT_S", "REPORT_LEVEL")
    for name in (*plain, "API_REPORT_RETENTION_DAYS"):
        assert shown[name] == defaults[name], name
    for name in ("LATENCY_LIMITS", "RETENTION_DAYS"):
        assert shown[name] == defaults[name], name


def test_the_services_are_all_and_only_those_that_there_are() -> None:
    calls = {name for name in services.__all__ if inspect.isfunction(getattr(services, name))}
    assert set(_signatures()) == calls
    classes = {name for name in services.__all__ if inspect.isclass(getattr(services, name))}
    assert {name for name in classes if not re.search(rf"\b{name}\b", SERVICES)} == set()


def test_every_argument_of_a_service_exists() -> None:
    # The one argument that no column keeps.
    order = {field.name for field in models.Order._meta.get_fields()} | {"auth_code"}
    for name, shown in _signatures().items():
        real = inspect.signature(getattr(services, name)).parameters
        is_open = any(each.kind is each.VAR_KEYWORD for each in real.values())
        known = set(real) | (order if is_open else set())
        named = {arg.arg for arg in (*shown.args, *shown.kwonlyargs)}
        assert named - known == set(), name


def test_what_a_service_returns_has_the_parts_named() -> None:
    for name in ("Checkout", "Acknowledgement", "ReportRun", "SalesRun"):
        row = next(cells[-1] for cells in rows(SERVICES) if cells[0].endswith(f"-> {name}`"))
        parts = set(getattr(services, name).__dataclass_fields__)
        assert parts - set(code_words(row)) == set(), name


def test_the_errors_are_all_and_only_those_that_there_are() -> None:
    named = {word for cells in rows(ERRORS) for word in code_words(cells[0])}
    assert named == set(exceptions.__all__)
    assert set(code_words(_row(ERRORS, "`Refused`"))) > {".err_code", ".err_code_des", ".advice"}
    raised = exceptions.Refused("NOAUTH", "text")
    for attribute in code_words(_row(ERRORS, "`Refused`")):
        assert hasattr(raised, attribute.removeprefix(".")), attribute
    for name in ("OrderPaid", "OrderClosed"):
        assert issubclass(getattr(exceptions, name), exceptions.Refused)
    for name in ("BadAnswer", "BadSignature"):
        assert issubclass(getattr(exceptions, name), exceptions.OutcomeUnknown)


def test_the_routes_are_all_and_only_those_that_are_served() -> None:
    named = {tuple(route.split(" ")) for route in _routes()}
    served = {
        (method.upper(), path.removeprefix("/wxpay/api/"))
        for path, methods in _schema()["paths"].items()
        for method in methods
    }
    assert named == served | {("GET", "schema/")}


def test_the_filters_are_all_and_only_those_of_each_list() -> None:
    for cells in rows(REST):
        if "Filters: " not in cells[-1]:
            continue
        route = code_words(cells[0])[0].removeprefix("GET ")
        named = set(code_words(re.split(r"Filters: ", cells[-1])[1].split(".")[0]))
        asked = _schema()["paths"][f"/wxpay/api/{route}"]["get"]["parameters"]
        assert named == {each["name"] for each in asked} - {"cursor", "page_size"}, route


@pytest.mark.parametrize(
    ("words", "component"),
    [
        ("An order:", "WXPayOrder"),
        ("A refund:", "WXPayRefund"),
        ("A notification:", "WXPayNotificationDetail"),
        ("A row of the summary:", "WXPayLatency"),
        ("A bill:", "WXPayBill"),
        ("A difference:", "WXPayDiscrepancy"),
    ],
)
def test_every_field_of_what_is_shown_is_named(words: str, component: str) -> None:
    paragraph = REST.split(f"**{words}**", 1)[1].split("\n\n", 1)[0]
    assert _fields(component) - set(code_words(paragraph)) == set()


def test_every_field_of_a_payment_is_named() -> None:
    parts = ("WXPayPayment", "WXPayPayer", "WXPayCoupon", "WXPayPromotion", "WXPayGoodsLine")
    paragraph = REST.split("* `payment` is null", 1)[1].split("\n\n", 1)[0]
    wanted = {field for part in parts for field in _fields(part)}
    assert wanted - set(code_words(paragraph)) == set()


def test_every_permission_exists(db: None) -> None:
    named = set(re.findall(r"\| `((?:add|view|change)_\w+)` \|", REST))
    permissions = Permission.objects.filter(content_type__app_label="django_wxpay")
    assert named - set(permissions.values_list("codename", flat=True)) == set()
    assert len(named) == 14


def test_the_models_are_all_and_only_those_that_there_are() -> None:
    table = rows(section(PAGE, "6. Models"))[2:]
    assert {word for cells in table for word in code_words(cells[0])} == set(models.__all__)
    for cells in table:
        for name in code_words(cells[0])[:1]:
            fields = {field.name for field in getattr(models, name)._meta.get_fields()}
            named = {word for word in code_words(cells[1]) if word.islower()}
            assert named - fields == set(), name


def test_the_signals_are_all_and_only_those_that_there_are() -> None:
    named = re.findall(r"`((?:order|refund|bill|notification)_\w+)`", section(PAGE, "7. Signals"))
    assert set(named) == {n for n, value in vars(signals).items() if isinstance(value, Signal)}


def test_the_commands_and_their_options_exist() -> None:
    apps = get_commands()
    shown = [code_words(cells[0])[0] for cells in rows(section(PAGE, "8. Commands"))[2:]]
    ours = {name for name, app in apps.items() if app == "django_wxpay"}
    assert {line.split(" ")[0] for line in shown} == ours | {"demo"}
    for line in shown:
        name = line.split(" ")[0]
        parser = load_command_class(apps[name], name).create_parser("manage.py", name)
        known = {option for action in parser._actions for option in action.option_strings}
        assert set(re.findall(r"--[a-z-]+", line)) - known == set(), name


def test_the_jobs_of_the_worker_are_named(db: None) -> None:
    (row,) = (cells[1] for cells in rows(PAGE) if cells[0].startswith("`wxpay_worker "))
    named = row.split(": ", 1)[1].split(", ")
    assert named == [run.name for run in run_jobs()]


def test_every_route_of_the_simulator_is_served() -> None:
    session = requests.Session()
    session.mount("http://simulator", SimulatorAdapter(create_app(conf.merchants().values())))
    named = re.findall(r"\| `(GET|POST) (/\S*)`", section(PAGE, "9. Simulator"))
    assert len(named) == 16
    for method, path in named:
        answer = session.request(method, f"http://simulator{path}", json={})
        assert answer.status_code not in {404, 405}, path


def test_the_pure_functions_are_all_and_only_those_that_there_are() -> None:
    (block,) = blocks(section(PAGE, "10. Pure functions"), "python")
    named = set(re.findall(r"^(v[23]\.\w+)\(", block, re.MULTILINE))
    assert named == {f"v2.{name}" for name in v2.__all__} | {f"v3.{name}" for name in v3.__all__}
    for call in ast.walk(ast.parse(block)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            function = getattr({"v2": v2, "v3": v3}[ast.unparse(call.func.value)], call.func.attr)
            shown = [ast.unparse(arg) for arg in call.args] + [key.arg for key in call.keywords]
            real = list(inspect.signature(function).parameters.values())
            assert shown == [each.name for each in real[: len(shown)]]
            assert [each for each in real[len(shown) :] if each.default is each.empty] == []


def test_the_names_of_the_engines_exist() -> None:
    shown = [code_words(cells[0])[0] for cells in rows(section(PAGE, "12. Background engines"))[2:]]
    names = [re.split(r"\W", word)[0] for word in shown]
    assert names == ["run_job", "django_run_job", "beat_schedule", "JobFailed"]
    assert set(inspect.signature(tasks.beat_schedule).parameters) == {"names", "queue"}
    assert callable(tasks.run_job)
    assert issubclass(tasks.JobFailed, Exception)


def test_every_name_on_the_page_is_a_name_in_the_code() -> None:
    """Whatever the tests above do not look at: a misspelt word in back-ticks is found here."""
    named = {
        name for word in code_words(PAGE) for name in re.findall(r"[A-Za-z_][A-Za-z0-9_]{2,}", word)
    }
    assert sorted(named - _names_in_the_code() - FOREIGN) == []


def test_a_name_that_does_not_exist_is_found() -> None:
    assert "no_such_call" not in _names_in_the_code()
    assert {"out_trade_no", "Wechatpay", "wxpay_worker"} <= _names_in_the_code()


def _signatures() -> dict[str, ast.arguments]:
    """Return the arguments of the calls in the table of services, by name."""
    found = {}
    for cells in rows(SERVICES):
        shown = re.match(r"`(\w+\(.*\)) -> .+`$", cells[0])
        if shown:
            text = shown[1].replace("=...", "=None").replace("*, ...", "").replace(", ...", "")
            (function,) = ast.parse(f"def {text}: pass").body
            assert isinstance(function, ast.FunctionDef)
            found[function.name] = function.args
    return found


def _row(text: str, name: str) -> str:
    (row,) = (" ".join(cells[1:]) for cells in rows(text) if cells[0] == name)
    return row


def _routes() -> list[str]:
    return [
        word
        for cells in rows(REST)
        for word in code_words(cells[0])
        if word.startswith(("GET ", "POST "))
    ]


@cache
def _schema() -> dict[str, Any]:
    answer = Client().get("/wxpay/api/schema/", headers={"accept": "application/json"})
    schema: dict[str, Any] = json.loads(answer.content)
    return schema


def _fields(component: str) -> set[str]:
    return set(_schema()["components"]["schemas"][component]["properties"])


@cache
def _names_in_the_code() -> frozenset[str]:
    """Return every name of the package and the example, and every word of their texts."""
    names: set[str] = set()
    for path in (*PACKAGE.rglob("*.py"), *EXAMPLE.rglob("*.py")):
        names.update(path.relative_to(ROOT).parts, [path.stem])
        for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
            if token.type == tokenize.NAME:
                names.add(token.string)
            elif token.type == tokenize.STRING:
                names.update(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", token.string))
    return frozenset(names)
