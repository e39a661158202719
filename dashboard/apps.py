from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext, ngettext

from dashboard.domain.language import translate_by


class Dashboard(AppConfig):
    name = "dashboard"
    verbose_name = "Aftersend"

    def ready(self) -> None:
        translate_by(gettext, ngettext)
        from dashboard import checks  # noqa: F401, PLC0415 - checks register themselves once the apps are there
