"""The shop's addresses."""

from __future__ import annotations

from django.urls import path

from example_project.shop import views

app_name = "shop"
urlpatterns = [
    path("", views.teas, name="teas"),
    path("buy/<slug:slug>/", views.buy, name="buy"),
    path("pay/<slug:reference>/", views.pay, name="pay"),
    path("pay/<slug:reference>/state/", views.state, name="state"),
    path("pay/<slug:reference>/check/", views.check, name="check"),
    path("receipt/<slug:reference>/", views.receipt, name="receipt"),
]
