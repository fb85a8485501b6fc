"""What the strangers' project and its web server do to every request."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

GetResponse = Callable[[HttpRequest], HttpResponse]


def mounted(get_response: GetResponse) -> GetResponse:
    """Take the mount out of the path, as the server in front does; tests have no such server."""
    mount = settings.FORCE_SCRIPT_NAME

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(f"{mount}/"):
            request.path = request.path_info
            request.path_info = request.path_info.removeprefix(mount)
        return get_response(request)

    return middleware


def audited(get_response: GetResponse) -> GetResponse:
    """Look at the body when the view has answered, as logs of requests do."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # Django itself does not keep the body of a form with files.
        if request.method == "POST" and request.content_type != "multipart/form-data":
            response["X-Audited-Bytes"] = str(len(request.body))
        return response

    return middleware
