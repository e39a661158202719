"""Who is signed in, as Django keeps it in the database, read without its query builder: an open page asks every few
seconds, and to say that nothing has changed would take as long as to find out who asks."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends import db
from django.db import connection
from django.utils import timezone

from dashboard.ingest.objects import Reads
from dashboard.models import User

_DATA = "SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > %s"
_READS = Reads(User)
_USER = f"SELECT {_READS.columns('one')} FROM {User._meta.db_table} AS one WHERE one.id = %s"  # noqa: S608


class SessionStore(db.SessionStore):
    """`SESSION_ENGINE` names the module."""

    def load(self) -> dict[str, Any]:
        with connection.cursor() as cursor:
            cursor.execute(_DATA, [self.session_key, connection.ops.adapt_datetimefield_value(timezone.now())])
            found = cursor.fetchone()
        if found is None:
            self._session_key = None
            return {}
        known: dict[str, Any] = self.decode(found[0])
        return known


class Backend(ModelBackend):
    """A name and a password, as Django judges them."""

    def get_user(self, user_id: int) -> User | None:
        found: list[User] = _READS.objects(_USER, [user_id])
        return found[0] if found and self.user_can_authenticate(found[0]) else None
