"""Every address of Aftersend."""

from __future__ import annotations

from django.urls import path

from dashboard.ingest.webhook import receive

urlpatterns = [
    path("hooks/<str:token>/", receive, name="hook"),
]
