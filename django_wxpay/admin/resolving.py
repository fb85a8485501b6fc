"""Resolving by a person: the question for a note, for whatever is open until somebody looked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin.actions import run_action
from django_wxpay.admin.base import ReadOnlyAdmin


class NoteForm(forms.Form):
    note = forms.CharField(
        label=_("note"),
        max_length=500,
        help_text=_("What was found, or done about it. Whoever looks at this later reads it."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )


class ResolvingAdmin(ReadOnlyAdmin):
    """Adds the page ``<pk>/resolve/`` to rows that are open until a person has looked."""

    def resolve_page(
        self,
        request: HttpRequest,
        row: Any,
        resolve: Callable[[str, str], object],
        **context: Any,
    ) -> HttpResponse:
        """Ask for a note, and call ``resolve(note, by)`` when it is posted.

        ``context`` has the ``title`` and the ``subject`` of the question, and what it shows.
        """
        form = NoteForm(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            return self._question(request, row, form, context)

        def verb() -> str:
            note = form.cleaned_data["note"]
            resolve(note, request.user.get_username())
            return gettext("Resolved: %(note)s") % {"note": note}

        self.log_change(request, row, run_action(request, context["subject"], verb))
        return redirect(self.address(row))

    def resolved_already(self, request: HttpRequest, row: Any) -> HttpResponse:
        """Go back to the page of a row that is not open any more."""
        messages.warning(request, gettext("This is resolved already."), fail_silently=True)
        return redirect(self.address(row))

    def _question(
        self, request: HttpRequest, row: Any, form: NoteForm, context: dict[str, Any]
    ) -> HttpResponse:
        request.current_app = self.admin_site.name
        whole = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "row": row,
            "back": self.address(row),
            "here": _("Resolve"),
            "form": form,
            **context,
        }
        return TemplateResponse(request, "admin/django_wxpay/resolve.html", whole)
