"""`manage.py rotate_keys`: every stored secret under the newest of CREDENTIAL_KEYS."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.db.models import Model

from dashboard import vault
from dashboard.management.base import OurCommand, audit

PREFIX = "sealed_"  # every sealed value stands in a field of this name, and says that field's name inside


class Command(OurCommand):
    help = (
        "Seal every stored secret again with the newest key of CREDENTIAL_KEYS. All are opened first: if one cannot, "
        "nothing is changed. Afterwards the older keys can be taken out of CREDENTIAL_KEYS."
    )
    example = "manage.py rotate_keys"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only see whether all secrets can be opened")

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            found = [(model, name, *row) for model, name in _fields() for row in _rows(model, name)]
            lost = [f"{model.__name__} {pk}" for model, name, pk, token in found if not _opens(pk, name, token)]
            if lost:
                raise CommandError(
                    f"{len(lost)} of {len(found)} secrets cannot be opened with CREDENTIAL_KEYS: "
                    f"{', '.join(lost[:5])}. Put the lost key back or enter those again. Nothing was changed."
                )
            if options["check"]:
                self.stdout.write(f"All {len(found)} secrets can be opened.")
                return
            for model, name, pk, token in found:
                model._default_manager.filter(pk=pk).update(**{name: vault.reseal(token)})
            audit("keys.rotated", "credentials", secrets=len(found))
        self.stdout.write(f"{len(found)} secrets are sealed with the newest key.")


def _fields() -> list[tuple[type[Model], str]]:
    models = apps.get_app_config("dashboard").get_models()
    return [(m, field.name) for m in models for field in m._meta.concrete_fields if field.name.startswith(PREFIX)]


def _rows(model: type[Model], name: str) -> list[tuple[int, str]]:
    rows = model._default_manager.exclude(**{name: ""}).exclude(**{name: None}).order_by("pk").select_for_update()
    return list(rows.values_list("pk", name))


def _opens(pk: int, name: str, token: str) -> bool:
    try:
        vault.open_sealed(token, pk, name.removeprefix(PREFIX))
    except vault.Unreadable:
        return False
    return True
