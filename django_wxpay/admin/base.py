"""The base of every admin page: read-only, and fast with ten million rows.

The history of money is not edited. Who may change a model may use its actions (query, close,
replay), each of which goes through ``services``; no row is added, edited or deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.admin.views.main import ERROR_FLAG, ORDER_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import DateTimeField, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from django_wxpay.admin import display
from django_wxpay.admin.lookups import is_answerable
from django_wxpay.models.labels import LABELS
from django_wxpay.services.transactions import without_atomic_requests

# Django's own classes take no type argument at run time.
if TYPE_CHECKING:
    ModelAdminBase = admin.ModelAdmin[Any]
    PaginatorBase = Paginator[Any]
else:
    ModelAdminBase = admin.ModelAdmin
    PaginatorBase = Paginator

# Counting a table of millions takes seconds; older rows are found by search and filters.
FARTHEST = 10_000


class NewestPaginator(PaginatorBase):
    """Counts up to ``FARTHEST`` rows, so that no page has to count the whole table."""

    @cached_property
    def count(self) -> int:
        # In no order: with one, some databases walk the whole table along it to count a few rows.
        rows: Any = self.object_list
        return int(rows.order_by()[:FARTHEST].count())


class UnsortedList(ChangeList):
    """A list in its own order, which is an index's, unless its page offers another."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Leave out what an address asks for: Django offers no arrow, and sorts all the same."""
        if not self.sortable_by:
            self.params.pop(ORDER_VAR, None)
        return list(super().get_ordering(request, queryset))


# An action makes one call to WeChat Pay for each row, and a person waits for it.
MOST_AT_ONCE = 50

# The rest of a long list is one click away.
NEWEST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """``asks_first`` leads to a page with a question; the others post at once."""

    label: Any
    url: str
    asks_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One entry of a timeline: when, what, and the sentences that belong to it."""

    at: datetime
    title: Any
    notes: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table, or a timeline, under a heading; falsy when there is nothing to show."""

    title: Any
    columns: tuple[Any, ...] = ()
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    timeline: list[Moment] = field(default_factory=list)
    more: Any = ""

    def __bool__(self) -> bool:
        return bool(self.rows or self.timeline)


class ReadOnlyAdmin(ModelAdminBase):
    """A read-only page. ``buttons`` and ``sections`` are added to the page of a row."""

    actions_on_bottom = True
    list_per_page = 50
    ordering: ClassVar[tuple[str, ...]] = ("-created_at", "-id")
    paginator = NewestPaginator
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    sortable_by: ClassVar[tuple[str, ...]] = ()
    # Rows that a list shows besides. To join them would fetch those of every row that a late page
    # passes over.
    list_prefetch_related: ClassVar[tuple[str, ...]] = ()
    # The names on the wire of the fields whose own names do not tell them.
    wire_names: ClassVar[dict[str, str]] = {}

    class Media:
        css: ClassVar = {"all": ["django_wxpay/admin.css"]}
        js = ("django_wxpay/lists.js",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        return UnsortedList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related(*self.list_prefetch_related)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Return whether this person may look; who may act may look as well."""
        return self.holds(request, "view") or self.holds(request, "change")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether this person may use the model's actions."""
        return self.holds(request, "change")

    def holds(self, request: HttpRequest, verb: str) -> bool:
        """Return whether this person holds the model permission of that name."""
        return request.user.has_perm(f"{self.opts.app_label}.{verb}_{self.opts.model_name}")

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [self._shown(name) for name in super().get_list_display(request)]

    def get_sortable_by(self, request: HttpRequest) -> list[Any]:  # noqa: ARG002
        return [self._shown(name) for name in self.sortable_by]

    def _shown(self, name: Any) -> Any:
        """Return the column of this name; that of a time shows its seconds and its zone."""
        is_time = isinstance(name, str) and name in self._times
        return display.time_column(self.model, name) if is_time else name

    @cached_property
    def _times(self) -> frozenset[str]:
        columns = self.opts.concrete_fields
        return frozenset(one.name for one in columns if isinstance(one, DateTimeField))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return list(flatten_fieldsets(self.get_fieldsets(request, obj)))

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002 - the signature is Django's
        **options: Any,
    ) -> Any:
        """Return the form, which prints the name on the wire of each field that has one."""
        # What is given here takes the place of the form's own, if it has any.
        form = getattr(options.get("form", self.form), "_meta", None)
        hints = dict(getattr(form, "help_texts", None) or {})
        for field_name in self.get_readonly_fields(request, obj):
            name = self.wire_names.get(field_name, field_name.removesuffix("_shown"))
            if name in LABELS:
                hints[field_name] = display.wire_name(name)
        return super().get_form(request, obj, change, **options | {"help_texts": hints})

    def buttons(self, row: Any) -> list[Button]:  # noqa: ARG002
        """Return the actions on the page of a row, for those who may use them."""
        return []

    def allowed_buttons(self, request: HttpRequest, row: Any) -> list[Button]:
        """Return the buttons that this person sees on the page of a row."""
        return self.buttons(row) if self.has_operate_permission(request) else []

    def banners(self, request: HttpRequest, row: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return what of a row needs a person, for the top of its page."""
        return ()

    def sections(self, request: HttpRequest, row: Any) -> list[Section]:  # noqa: ARG002
        """Return the tables that belong to a row, below its fields."""
        return []

    @without_atomic_requests
    def changelist_view(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Run outside of any transaction, because actions call WeChat Pay."""
        if not is_answerable(request, self.model):
            sentence = _("No row can have what this address asks for, so all rows are shown.")
            messages.warning(request, sentence, fail_silently=True)
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
        shown = context["adminform"]
        shown.readonly_fields = [self._shown(name) for name in shown.readonly_fields]
        shown.fieldsets = [
            (title, {**part, "fields": [self._shown(name) for name in part["fields"]]})
            for title, part in shown.fieldsets
        ]
        context["buttons"] = self.allowed_buttons(request, obj)
        context["banners"] = self.banners(request, obj)
        context["sections"] = [part for part in self.sections(request, obj) if part]
        return super().render_change_form(request, context, add, change, form_url, obj)

    def posted(self, verb: str, act: Callable[[HttpRequest, Any], None]) -> URLPattern:
        """Return the address of a button: a POST by those who may operate, then the row's page."""

        @without_atomic_requests
        @require_POST
        def view(request: HttpRequest, pk: int) -> HttpResponse:
            row = self.operable(request, pk)
            act(request, row)
            return redirect(self.address(row))

        return self.route(verb, view)

    def route(self, verb: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
        """Return the address ``<pk>/verb/`` of one of our own pages."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_{verb}"
        return path(f"<int:pk>/{verb}/", self.admin_site.admin_view(view), name=name)

    def operable(self, request: HttpRequest, pk: int) -> Any:
        """Return the row for somebody who may operate; 403 comes before 404."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        return self.row(request, pk)

    def row(self, request: HttpRequest, pk: int) -> Any:
        """Return the row of this key among those that this person may see, or raise ``Http404``."""
        row = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    def address(self, row: Any, verb: str = "change") -> str:
        """Return the address of a row's page, or of one of its buttons."""
        return display.page_address(self.admin_site, self.model, verb, row.pk)

    def turned_away(self, request: HttpRequest, row: Any, sentence: Any) -> HttpResponse:
        """Return to the page of a row, on which nothing was done, with the reason."""
        messages.error(request, f"{row}: {sentence}", fail_silently=True)
        return redirect(self.address(row))
