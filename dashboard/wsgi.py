"""The entry point for any WSGI server: `dashboard.wsgi:application`. Webhooks have a door before Django's."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

django = get_wsgi_application()

from dashboard.ingest.door import Door, Writer  # noqa: E402 - Django is set up now

application = Door(django, Writer().keep)
