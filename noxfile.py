"""The project's tasks, as ``nox -s NAME``; ``.ci/run`` calls the same ones.

Every session uses the environment that nox runs in, so that a task takes as long as its tool.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["all"]

BIN = Path(sys.executable).parent
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
    """Check the types of the package and of the example project."""
    session.run(f"{BIN}/mypy", "django_wxpay", "example_project", external=True)


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
    """Build the documentation; a link that leads nowhere is an error."""
    with tempfile.TemporaryDirectory() as folder:
        session.run(f"{BIN}/mkdocs", "build", "--strict", "--site-dir", folder, external=True)


@nox.session(name="all")
def everything(session: nox.Session) -> None:
    """Run every task."""
    for task in TASKS:
        session.notify(task)
