"""The project's tasks, as ``nox -s NAME``; ``.ci/run`` calls the same ones.

A session uses the environment that nox runs in, so that a task takes as long as its tool;
``floors`` makes one of its own.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["all"]

BIN = Path(sys.executable).parent
# What a project can make a difference to, and what speaks to a dependency.
STRANGERS = (
    *(f"tests/{room}" for room in ("admin", "api", "gateway", "journeys", "protocol", "services")),
    *(f"tests/{room}" for room in ("simulator", "strangers", "testing")),
    *sorted(map(str, Path("tests").glob("test_*.py"))),
    "tests/laws/test_dependencies.py",
)
TASKS = ("lint", "types", "contracts", "migrations", "translations", "docs", "test")


@nox.session
def test(session: nox.Session) -> None:
    """Run the tests; what follows ``--`` goes to pytest."""
    session.run(f"{BIN}/pytest", *session.posargs, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the format and the style; ``-- --fix`` corrects both."""
    if "--fix" in session.posargs:
        session.run(f"{BIN}/ruff", "check", "--fix", ".", external=True)
        session.run(f"{BIN}/ruff", "format", ".", external=True)
        return
    session.run(f"{BIN}/ruff", "format", "--check", ".", external=True)
    session.run(f"{BIN}/ruff", "check", ".", external=True)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the package, of the example project and of the benchmarks."""
    checked = ("django_wxpay", "example_project", "tests/benchmarks")
    session.run(f"{BIN}/mypy", *checked, external=True)


@nox.session
def contracts(session: nox.Session) -> None:
    """Check which package may import which."""
    session.run(f"{BIN}/lint-imports", external=True)


@nox.session
def migrations(session: nox.Session) -> None:
    """Check that the migrations are complete, and run the system checks."""
    manage = (sys.executable, "manage.py")
    session.run(*manage, "makemigrations", "--check", "--dry-run", external=True)
    session.run(*manage, "check", external=True)


@nox.session
def translations(session: nox.Session) -> None:
    """Check that every text has its translation. Needs GNU gettext."""
    session.run(sys.executable, ".ci/translations.py", env={"PYTHONPATH": "."}, external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site strictly; ``-- FOLDER`` keeps it."""
    with tempfile.TemporaryDirectory() as thrown_away:
        folder = session.posargs[0] if session.posargs else thrown_away
        build = (sys.executable, "-m", "docs.generator", folder)
        session.run(*build, env={"PYTHONPATH": "."}, external=True)


@nox.session
def openapi(session: nox.Session) -> None:
    """Hold the views against the OpenAPI document; ``-- EXAMPLES SECONDS`` for a longer run."""
    session.run(
        sys.executable, ".ci/openapi.py", *session.posargs, env={"PYTHONPATH": "."}, external=True
    )


@nox.session
def chaos(session: nox.Session) -> None:
    """Kill and lie on each database that is there; ``-- MINUTES SEED``, 3 and 1 if left out."""
    minutes, seed = (*session.posargs, *("3", "1")[len(session.posargs) :])
    run = ("-m", "tests.chaos", "--database", "all", "--minutes", minutes, "--seed", seed)
    session.run(sys.executable, *run, external=True)


@nox.session
def clients(session: nox.Session) -> None:
    """Run clients of other makers against the simulator; installs those in Node. Needs npm."""
    with session.chdir("tests/thirdparty"):
        session.run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", external=True)
    session.run(f"{BIN}/pytest", "tests/thirdparty", "-n", "0", *session.posargs, external=True)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure every path beside its limit; ``-- --quick`` takes two minutes, the whole an hour."""
    session.run(sys.executable, "-m", "tests.benchmarks", *session.posargs, external=True)


@nox.session(name="floors", venv_backend="venv")
def at_the_floors(session: nox.Session) -> None:
    """Run the tests as a stranger's project would: oldest dependencies, other settings, ``-O``."""
    pins = Path(session.create_tmp()) / "floors.txt"
    pins.write_text(str(session.run("python", ".ci/floors.py", silent=True)), encoding="utf-8")
    said = session.run("pip", "install", "-e", ".[test]", "--constraint", str(pins), silent=True)
    if "yanked version" in str(said):
        session.error(f"a floor is a version that its makers have withdrawn:\n{said}")
    session.run("python", ".ci/floors.py", "--installed")
    session.run(
        "pytest",
        "--ds=tests.strangers.settings",
        "--hypothesis-profile=quick",
        *(session.posargs or STRANGERS),
        # Not an option of Python's, because the processes of the run have to have it as well.
        env={"PYTHONOPTIMIZE": "1"},
    )


@nox.session(name="all")
def everything(session: nox.Session) -> None:
    """Run every task."""
    for task in TASKS:
        session.notify(task)
