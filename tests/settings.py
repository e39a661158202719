"""The settings of the tests: fixed secrets, nothing from `.env`, and the database AFTERSEND_TEST_DB names.

`sqlite` (the default) is a file, as in production; `postgres` is the server at TEST_POSTGRES_URL, which
`scripts/dev.py test` starts. Every process of a run has its own database.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

DATABASE = os.environ.get("AFTERSEND_TEST_DB", "sqlite")
if DATABASE not in ("sqlite", "postgres"):
    raise ValueError(f"AFTERSEND_TEST_DB is {DATABASE!r}; it may be sqlite or postgres")

# One per process. Removed when the process ends; tests/conftest.py does it where pytest-xdist's workers skip that.
TEST_FOLDER = Path(tempfile.mkdtemp(prefix="aftersend-test-", dir=os.environ.get("AFTERSEND_TEST_DIR")))
atexit.register(shutil.rmtree, TEST_FOLDER, ignore_errors=True)

os.environ.update(
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    ALLOW_PRIVATE_PROVIDER_URLS="on",
    BIND="127.0.0.1:8000",
    BROKER_URL="",
    BULK_APPROVAL_ABOVE="500",
    CREDENTIAL_KEYS="dGVzdHMgb25seSwgbm90IGEgcmVhbCBrZXkhISEhISE=",
    CSRF_TRUSTED_ORIGINS="",
    DATABASE_URL=os.environ["TEST_POSTGRES_URL"] if DATABASE == "postgres" else f"sqlite:///{TEST_FOLDER}/real.sqlite3",
    DEBUG="off",
    DEFAULT_REGION="",
    LOG_LEVEL="WARNING",
    PHONE_INDEX_KEY="dGVzdHMgb25seSwgbm90IGEgcmVhbCBrZXkhISEhISE=",
    PUBLIC_URL="http://testserver",
    RETRY_COOL_DOWN="300,3600",
    SECRET_KEY="for tests only, never for an installation, 50 characters",
    SITE_LANGUAGE="en",
    SITE_TIME_ZONE="UTC",
    WORKER_ENGINE="embedded",
)

from dashboard.settings import *  # noqa: E402, F403 - the environment above comes first
from dashboard.settings import DATABASES, STORAGES  # noqa: E402

if DATABASE == "sqlite":
    # Thrown away in a minute: nothing has to survive the machine's end, as PostgreSQL's tests have it, too.
    options = DATABASES["default"]["OPTIONS"]
    options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
    DATABASES["default"]["TEST"] = {"NAME": str(TEST_FOLDER / "test.sqlite3")}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Without collectstatic: pages name static files by their plain names, and the finders serve them.
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
STATIC_ROOT = TEST_FOLDER / "static"
STATIC_ROOT.mkdir(exist_ok=True)
