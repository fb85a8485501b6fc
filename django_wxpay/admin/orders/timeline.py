"""Timeline of an order: its events, what resolved them, who did what in the admin, and notes.

A note is a field on the page of the order, and has a page of its own where it cannot be kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from django.contrib.admin import AdminSite
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay import services
from django_wxpay.admin import display
from django_wxpay.admin.actions import run_action
from django_wxpay.admin.base import NEWEST, Moment, ReadOnlyAdmin, Section
from django_wxpay.admin.orders.events import (
    SOURCES,
    UNTOLD,
    author,
    delivery,
    differences,
    move,
    other_payment,
    resolution,
)
from django_wxpay.admin.resolving import NoteForm
from django_wxpay.models import Notification, Order, OrderEvent, Refund
from django_wxpay.models.choices import EventKinds
from django_wxpay.services.transactions import without_atomic_requests

# No index finds the entries of one object: these of the table are looked at, newest first.
LOOKED_AT: Final = 1_000


class _Actions(NamedTuple):
    """Entries of the admin's log; ``is_cut`` where older ones were not looked at."""

    entries: list[LogEntry]
    is_cut: bool


def history(site: AdminSite, request: HttpRequest, order: Order) -> Section:
    """Return the newest of what happened as a timeline."""
    more = []
    if display.may_see(site, request, OrderEvent):
        more.append(display.more_link(site, OrderEvent, order__id__exact=str(order.pk)))
    actions = _actions(order)
    if actions.is_cut and (address := display.page_address(site, Order, "history", order.pk)):
        more.append(format_html('<a href="{}">{}</a>', address, _("Older actions in the admin")))
    linked: set[type[Model]] = {
        model for model in (Notification, Refund) if display.may_see(site, request, model)
    }
    moments = [
        *(each for event in order.events.all()[:NEWEST] for each in _moments(site, event, linked)),
        *map(_action, actions.entries),
    ]
    moments.sort(key=lambda each: each.at, reverse=True)
    return Section(title=_("History"), timeline=moments[:NEWEST], more=_links(more))


def _links(links: list[SafeString | str]) -> SafeString:
    return format_html_join(" · ", "{}", [(link,) for link in links if link])


def _moments(site: AdminSite, event: OrderEvent, linked: set[type[Model]]) -> Iterator[Moment]:
    """Yield the event, and before it, being newer, that somebody or something has resolved it."""
    if event.resolved_at:
        title = display.badge(gettext("Resolved"), display.QUIET)
        notes = (event.get_kind_display(), resolution(event))
        yield Moment(at=event.resolved_at, title=title, notes=notes)
    notes = tuple(_notes(site, event, linked))
    yield Moment(at=event.created_at, title=_title(event), notes=notes)


def _actions(order: Order) -> _Actions:
    """Return the newest entries of the admin's log that are about ``order``."""
    kind = ContentType.objects.get_for_model(Order)
    rows = LogEntry.objects.filter(content_type=kind).order_by("-pk")
    found = list(rows.values_list("pk", "object_id")[: LOOKED_AT + 1])
    keys = [pk for pk, object_id in found[:LOOKED_AT] if object_id == str(order.pk)][:NEWEST]
    entries = LogEntry.objects.filter(pk__in=keys).select_related("user")
    return _Actions(list(entries), is_cut=len(found) > LOOKED_AT)


def _action(entry: LogEntry) -> Moment:
    # The result begins with the number of the order, which is the page's title.
    said = entry.get_change_message()
    title = gettext("By %(who)s") % {"who": entry.user.get_username()}
    return Moment(
        at=entry.action_time,
        title=display.badge(title, display.QUIET),
        notes=(said.removeprefix(f"{entry.object_repr}: "),),
    )


def _title(event: OrderEvent) -> SafeString:
    if event.kind in {EventKinds.CONFLICTED, EventKinds.PAID_TWICE, EventKinds.NOTE}:
        return display.value_badge(event.kind, event.get_kind_display())
    if event.kind == EventKinds.REFUND_SETTLED:
        refund = gettext("Refund: %(status)s") % {"status": move(event)}
        return display.badge(refund, display.REFUND_TONES[event.detail["refund_status"]])
    return display.value_badge(event.to_state, event.get_to_state_display())


def _notes(site: AdminSite, event: OrderEvent, linked: set[type[Model]]) -> Iterator[Any]:
    if event.kind == EventKinds.NOTE:
        yield event.note
        yield gettext("By %(who)s") % {"who": author(event)}
        return
    yield SOURCES.get(event.source, event.source)
    yield from differences(event)
    if event.kind == EventKinds.PAID_TWICE:
        yield other_payment(event)
    if Refund in linked and event.refund_id is not None:
        yield display.page_link(site, Refund, event.refund_id, event.detail["out_refund_no"])
    if Notification in linked and event.notification_id is not None:
        yield display.page_link(site, Notification, event.notification_id, _("the notification"))
    if event.kind not in UNTOLD:
        yield delivery(event)


class OrderNotesAdmin(ReadOnlyAdmin):
    """Adds the address ``<pk>/note/``, and the field that is posted to it."""

    change_form_template = "admin/django_wxpay/order_page.html"

    def get_urls(self) -> list[URLPattern]:
        return [self.route("note", self.note_view), *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        order = kwargs.get("obj")
        if order is not None and self.has_operate_permission(request):
            context["note_form"] = _form()
            context["note_address"] = self.address(order, "note")
        return super().render_change_form(request, context, *args, **kwargs)

    @without_atomic_requests
    def note_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a note, and add it to the order's history when it is posted."""
        order: Order = self.operable(request, pk)
        form = _form(request.POST) if request.method == "POST" else _form()
        if not form.is_valid():
            return self._note_page(request, order, form)

        def verb() -> str:
            services.add_note(order, note=form.cleaned_data["note"], by=request.user.get_username())
            return gettext("The note is kept.")

        # The note itself says who has written it, and when: no second entry in the log.
        run_action(request, order.out_trade_no, verb)
        return redirect(self.address(order))

    def _note_page(self, request: HttpRequest, order: Order, form: NoteForm) -> HttpResponse:
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Note on this order"),
            "opts": self.opts,
            "media": self.media,
            "row": order,
            "subject": order.out_trade_no,
            "back": self.address(order),
            "here": _("Add the note"),
            "form": form,
        }
        return TemplateResponse(request, "admin/django_wxpay/note.html", context)


def _form(data: Any = None) -> NoteForm:
    # The page of the order has other fields of the browser's beside it.
    return NoteForm(data, auto_id="wxpay_%s")
