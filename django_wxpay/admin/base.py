"""Pages of a ledger that may hold ten million rows: counted up to a point, and no further.

What all our pages in the admin have in common: they show, and never change a row.

Money's history is not edited. Who may change a model may ask for its verbs (query, close,
replay), each of which goes through ``services``; nobody adds, edits or deletes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from django.views.decorators.http import require_POST

from django_wxpay.admin.sections import Button, Section

if TYPE_CHECKING:
    PaginatorBase = Paginator[Any]
else:
    PaginatorBase = Paginator

# Nobody turns more pages than this; what is older is found by search and filters.
FARTHEST = 10_000


class NewestPaginator(PaginatorBase):
    """Counts up to ``FARTHEST`` rows, so that no page has to count the whole table."""

    @cached_property
    def count(self) -> int:
        """Return how many rows can be paged through."""
        # In no order: with one, some databases walk the whole table along it to count a few rows.
        rows: Any = self.object_list
        return int(rows.order_by()[:FARTHEST].count())


if TYPE_CHECKING:
    LedgerBase = admin.ModelAdmin[Any]
else:
    LedgerBase = admin.ModelAdmin

# A page's action asks the network once a row, and a person waits for it.
MOST_AT_ONCE = 50


class Ledger(LedgerBase):
    """A read-only page. ``buttons`` and ``sections`` are what a row's page has besides."""

    actions_on_bottom = True
    list_per_page = 50
    ordering: ClassVar[tuple[str, ...]] = ("-created_at", "-id")
    paginator = NewestPaginator
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    sortable_by: ClassVar[tuple[str, ...]] = ()

    class Media:
        css: ClassVar = {"all": ["django_wxpay/admin.css"]}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Say no: rows come from services."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Say no: rows are history."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Say no, one by one and in bulk."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Say whether this person may look; who may act may look as well."""
        return self.holds(request, "view") or self.holds(request, "change")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Say whether this person may ask for the model's verbs."""
        return self.holds(request, "change")

    def holds(self, request: HttpRequest, verb: str) -> bool:
        """Say whether this person holds the model permission of that name."""
        return request.user.has_perm(f"{self.opts.app_label}.{verb}_{self.opts.model_name}")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return every field of the page."""
        return list(flatten_fieldsets(self.get_fieldsets(request, obj)))

    def buttons(self, row: Any) -> list[Button]:  # noqa: ARG002
        """Return what may be asked for on a row's page, by those who may ask."""
        return []

    def sections(self, request: HttpRequest, row: Any) -> list[Section]:  # noqa: ARG002
        """Return what belongs to a row, below it on its page."""
        return []

    @transaction.non_atomic_requests
    def changelist_view(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Run outside of any transaction: actions talk to WeChat Pay."""
        if any("\0" in text for text in request.GET.values()):
            # No database holds it, and some break when they are asked for it.
            return redirect(f"{request.path}?{ERROR_FLAG}=1")
        return super().changelist_view(request, extra_context)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002 - the signature is Django's
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Add the buttons and sections to Django's page."""
        may_ask = self.has_operate_permission(request)
        context["buttons"] = self.buttons(obj) if may_ask else []
        context["sections"] = [part for part in self.sections(request, obj) if part]
        return super().render_change_form(request, context, add, change, form_url, obj)

    def posted(self, verb: str, act: Callable[[HttpRequest, Any], None]) -> URLPattern:
        """Return the address of a button: a POST by somebody who may, then the row's page."""

        @transaction.non_atomic_requests
        @require_POST
        def view(request: HttpRequest, pk: int) -> HttpResponse:
            row = self.operable(request, pk)
            act(request, row)
            return redirect(self.address(row))

        return self.route(verb, view)

    def route(self, verb: str, view: Callable[..., HttpResponse]) -> URLPattern:
        """Return the address ``<pk>/verb/`` of one of our own pages."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_{verb}"
        return path(f"<int:pk>/{verb}/", self.admin_site.admin_view(view), name=name)

    def operable(self, request: HttpRequest, pk: int) -> Any:
        """Return the row for somebody who may act on it; 403 comes before 404."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        row = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    def address(self, row: Any, verb: str = "change") -> str:
        """Return where a row's page, or one of its buttons, is."""
        return reverse(
            f"admin:{self.opts.app_label}_{self.opts.model_name}_{verb}",
            args=[row.pk],
            current_app=self.admin_site.name,
        )
