"""Routes of the app; include them under a prefix of your own."""

from __future__ import annotations

from django.urls import include, path

from django_wxpay.views import NotifyView

app_name = "django_wxpay"

urlpatterns = [
    path(
        "notify/<slug:merchant>/payment/",
        NotifyView.as_view(kind="payment"),
        name="notify-payment",
    ),
    path(
        "notify/<slug:merchant>/refund/",
        NotifyView.as_view(kind="refund"),
        name="notify-refund",
    ),
    path("api/", include("django_wxpay.api.urls")),
]
