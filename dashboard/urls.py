"""Every address of Aftersend."""

from __future__ import annotations

from django.urls import path

from dashboard.ingest.webhook import receive
from dashboard.web import find, home, sign_in

handler400 = "dashboard.web.errors.bad_request"
handler403 = "dashboard.web.errors.forbidden"
handler404 = "dashboard.web.errors.not_found"
handler500 = "dashboard.web.errors.broken"

urlpatterns = [
    path("hooks/<str:token>/", receive, name="hook"),
    # the frame
    path("", home.home, name="home"),
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("theme/", sign_in.theme, name="theme"),
    # support
    path("find/", find.find, name="find"),
]
