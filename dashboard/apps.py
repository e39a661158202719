from __future__ import annotations

from django.apps import AppConfig


class Dashboard(AppConfig):
    name = "dashboard"
    verbose_name = "Aftersend"

    def ready(self) -> None:
        from dashboard import checks  # noqa: F401, PLC0415 - checks register themselves once the apps are there
