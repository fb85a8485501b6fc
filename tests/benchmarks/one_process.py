"""One process of a project with Django's admin and REST framework, with the app or without.

Run by ``bench_process``: python -m tests.benchmarks.one_process with|without start|serve
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from tests.benchmarks.wsgi import accepted, post

_OF_DJANGO = ("admin", "auth", "contenttypes", "sessions", "messages")
_ACCOUNT = {"APPID": "wxd930ea5d5a258f4f", "MCH_ID": "1900000109", "API_KEY": "k" * 32}

# The module is its project's root of URLs.
urlpatterns: list[Any] = []


def main(project: str, work: str) -> None:
    """Print the milliseconds of processor that the start took, or the MiB after requests."""
    _configure(has_the_app=project == "with")
    began = time.process_time()
    django.setup()
    taken_ms = (time.process_time() - began) * 1000
    sys.stdout.write(f"{taken_ms if work == 'start' else _mib_after_requests(project)}\n")


def _configure(*, has_the_app: bool) -> None:
    settings.configure(
        SECRET_KEY="x" * 50,
        USE_TZ=True,
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=[
            *(f"django.contrib.{each}" for each in _OF_DJANGO),
            "rest_framework",
            *(["django_wxpay"] if has_the_app else []),
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        WXPAY={"NOTIFY_BASE_URL": "https://shop.example.com", "MERCHANTS": {"default": _ACCOUNT}},
    )


def _mib_after_requests(project: str) -> float:
    from django.contrib import admin
    from django.core.wsgi import get_wsgi_application
    from django.urls import include, path
    from rest_framework.decorators import api_view
    from rest_framework.request import Request
    from rest_framework.response import Response

    @api_view(["POST"])
    def tea(request: Request) -> Response:
        return Response({"tea": "longjing"})

    urlpatterns.extend([path("admin/", admin.site.urls), path("tea/", tea)])
    if project == "with":
        urlpatterns.append(path("wxpay/", include("django_wxpay.urls")))
    logging.disable()
    application = get_wsgi_application()
    accepted(post(application, "/tea/", b"{}", content_type="application/json"))
    if project == "with":
        # Nobody has signed it; all that a notification needs is loaded by then.
        refused = post(application, "/wxpay/notify/default/payment/", b"<xml><sign>1</sign></xml>")
        if b"FAIL" not in refused.body:
            raise SystemExit(f"not refused: {refused}")
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        if line.startswith("VmRSS:")
    )
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
