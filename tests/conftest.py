"""Rules of the whole suite: databases, workers, property runs, leaked keys, the closing line.

A test that uses a server other than the run's own database names it with
``record_property("service", "PostgreSQL")``, and the closing line lists it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import hypothesis
import pytest
from django.conf import settings
from django.core.management.commands import flush
from django.db import connections
from django.urls import get_script_prefix, set_script_prefix, set_urlconf
from django.utils import timezone, translation

from django_wxpay.services import clock
from django_wxpay.services.notifications.refusals import refusals
from tests import factories, neighbours

# No profile has a deadline: an example that is slow on a busy machine is no failure.
hypothesis.settings.register_profile("short", max_examples=20, deadline=None)
# For continuous integration, which has the time to search.
hypothesis.settings.register_profile("long", max_examples=100, deadline=None)
# For a second run under another Python, which need not search again.
hypothesis.settings.register_profile("quick", max_examples=20, deadline=None, derandomize=True)
hypothesis.settings.load_profile("short")

# Under python -O only what pytest rewrites still asserts, and it rewrites the files of tests by
# itself, not what they import.
_HERE: Final = Path(__file__).parent
_MODULES: Final = {
    ".".join(path.relative_to(_HERE.parent).with_suffix("").parts) for path in _HERE.rglob("*.py")
}
pytest.register_assert_rewrite(*_MODULES.difference(sys.modules, [__name__]))

pytest_plugins = ["django_wxpay.testing.fixtures"]

# Every key that tests sign with starts like one of these; none may ever be printed.
TEST_KEYS: Final = (
    "192006250b4c09247ec02edce69f6a2d",
    "TESTKEYtestkeyTESTKEYtestkey",
    "TESTONLYapiv3key",
    "abcdefghijklmnopqrstuvwxyz012345",
    "-----BEGIN PRIVATE KEY-----",
    "VEVTVEtFWXRlc3RrZX",
)

_LEFT_OUT: Final = pytest.StashKey[int]()
_LEFT_OUT_BY_WORKER: Final = "long_tests_left_out"

_DATABASE_FIXTURES: Final = frozenset({"db", "transactional_db", "live_server"})
_KEPT_TABLES: Final = frozenset({"django_content_type", "auth_permission"})


@pytest.fixture(autouse=True)
def no_refusals_of_other_tests() -> None:
    """Let the first refusal of each test be written at once, and nothing of the test before it."""
    refusals._waiting.clear()
    refusals._next_at = 0.0


@pytest.fixture(autouse=True)
def no_numbers_of_other_tests() -> None:
    """Let the rows of each test be numbered alike, whichever tests came before it."""
    factories.start_again()


@pytest.fixture(autouse=True)
def no_request_of_other_tests() -> Iterator[None]:
    """Leave nothing of a request's thread to the next test: prefix, urls, language, time zone."""
    prefix = get_script_prefix()
    yield
    set_script_prefix(prefix)
    set_urlconf(None)
    translation.deactivate()
    timezone.deactivate()


@pytest.fixture(autouse=True)
def undone_transactions(request: pytest.FixtureRequest) -> Iterator[None]:
    """Undo the first transaction of each retried action, where the run asks for it."""
    if not _undoes_once() or request.node.get_closest_marker("undisturbed"):
        yield
        return
    # Imported here, because the tables are known only when Django has been set up.
    from tests.undone import undone_once

    with undone_once():
        yield


def _undoes_once() -> bool:
    return os.environ.get("WXPAY_TEST_UNDO") == "once"


@pytest.fixture
def clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Let no hour and no day of the shop end during a test that counts by hours or days."""
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    return now


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer ``--long``, with which continuous integration runs."""
    parser.addoption("--long", action="store_true", help="run the tests marked long as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let every test use every database of the project, whichever of them holds our tables.

    Long tests are left out of a run of the whole suite or of a folder without ``--long``.
    """
    if not (config.getoption("--long") or _names_files(config)):
        _leave_out_long_ones(config, items)
    for item in items:
        for place, reason in _left_out().items():
            if item.nodeid.startswith(place):
                item.add_marker(pytest.mark.skip(reason=f"not in this project: {reason}"))
        mark = item.get_closest_marker("django_db")
        if mark is not None or _DATABASE_FIXTURES & {*getattr(item, "fixturenames", ())}:
            given = {} if mark is None else mark.kwargs
            every = pytest.mark.django_db(**given | {"databases": "__all__"})
            item.add_marker(every, append=False)


def _left_out() -> dict[str, str]:
    """Return the tests that presume a project of ours, by where they are, with their reasons."""
    found: dict[str, str] = getattr(settings, "TESTS_LEFT_OUT", {})
    return found


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run named files in this process: workers take longer to start than most files take.

    Of the whole suite a tenth is waiting, so one worker more than there are processors.
    """
    return 0 if _names_files(config) else (os.cpu_count() or 1) + 1


def _names_files(config: pytest.Config) -> bool:
    return all(Path(argument.split("::")[0]).is_file() for argument in config.args)


def _leave_out_long_ones(config: pytest.Config, items: list[pytest.Item]) -> None:
    long = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if not item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    config.stash[_LEFT_OUT] = len(long)
    if hasattr(config, "workeroutput"):
        config.workeroutput[_LEFT_OUT_BY_WORKER] = len(long)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Keep what a worker has left out: the process that prints the end has collected nothing."""
    left_out = getattr(node, "workeroutput", {}).get(_LEFT_OUT_BY_WORKER, 0)
    node.config.stash[_LEFT_OUT] = left_out


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give every process of every run a test database of its own.

    SQLite's is a file, as a shop's is: in memory its threads share one connection's cache,
    whose table locks no timeout waits for ("database table is locked").
    """
    for alias, entry in settings.DATABASES.items():
        name = f"wxpay_test_{alias}_{os.getpid()}"
        if entry["ENGINE"].endswith("sqlite3"):
            name = str(tmp_path_factory.mktemp("database") / f"{name}.sqlite3")
        entry.setdefault("TEST", {})["NAME"] = name


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Make emptying the tables after a transactional test cheap.

    Content types and permissions stay, so that nothing has to write them anew.
    """
    with pytest.MonkeyPatch.context() as patch:
        for connection in connections.all():
            patch.setattr(connection.ops, "sql_flush", _cheap_flush(connection))
        patch.setattr(flush, "emit_post_migrate_signal", lambda *_: None)
        yield


def _cheap_flush(connection: Any) -> Any:
    original = connection.ops.sql_flush

    def sql_flush(style: object, tables: Iterable[str], **options: Any) -> list[str]:
        emptied = [table for table in tables if table not in _KEPT_TABLES]
        if connection.vendor == "postgresql":
            # TRUNCATE makes new files for every table, which takes longer than most tests.
            return [f"DELETE FROM {connection.ops.quote_name(each)}" for each in emptied]  # noqa: S608
        return original(style, emptied, **options)

    return sql_flush


@pytest.fixture
def django_assert_num_queries() -> Callable[[int], AbstractContextManager[list[dict[str, str]]]]:
    """Count the queries of all databases, where pytest-django counts those of the default one."""
    return partial(_counted, exactly=True)


@pytest.fixture
def django_assert_max_num_queries() -> Callable[
    [int], AbstractContextManager[list[dict[str, str]]]
]:
    """Bound the queries of all databases, where pytest-django bounds those of the default one."""
    return partial(_counted, exactly=False)


@contextmanager
def _counted(number: int, *, exactly: bool) -> Iterator[list[dict[str, str]]]:
    # Imported here, because the tables are known only when Django has been set up.
    from tests.tables import counted

    with counted() as queries:
        yield queries
    made = "\n".join(query["sql"] for query in queries)
    fits = len(queries) == number if exactly else len(queries) <= number
    if not fits:
        pytest.fail(f"{len(queries)} queries, not {number}:\n{made}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Iterator[None]:
    """Fail a test that printed or logged a key, whatever its own outcome."""
    report = yield
    # Half a character, which hostile texts hold, cannot be handed to the process that reports.
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    seen = "".join(text for title, text in report.sections if title.endswith(report.when))
    if report.passed and any(key in seen for key in TEST_KEYS):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: a key was printed or logged"
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the servers that took part in the run, and how many long tests did not."""
    used = {neighbours.DATABASES[settings.WXPAY_TEST_DATABASE].name}
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        used.update(value for name, value in report.user_properties if name == "service")
    terminalreporter.write_line(neighbours.summary(used))
    if _undoes_once():
        terminalreporter.write_line("every action that is run again: its first transaction undone")
    if left_out := terminalreporter.config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(f"{left_out} long tests left out: run with --long")
