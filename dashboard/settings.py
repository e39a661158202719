"""Settings: read from the environment and `.env` by django-environ. docs/operating.md lists them.

A wrong or missing one is named by `manage.py check` (dashboard/checks.py) with its cause and fix.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import django_countries
import environ
from csp.constants import SELF

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

# ------------------------------------------------------------------------------ the outer contract

SECRET_KEY = env.str("SECRET_KEY", default="")
DEBUG = env.bool("DEBUG", default=False)
BIND = env.str("BIND", default="127.0.0.1:8000")
PUBLIC_URL = env.str("PUBLIC_URL", default=f"http://{BIND}").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
DATABASE_URL = env.str("DATABASE_URL", default="sqlite:///var/aftersend.sqlite3")
CREDENTIAL_KEYS: list[str] = env.list("CREDENTIAL_KEYS", default=[])
PHONE_INDEX_KEY = env.str("PHONE_INDEX_KEY", default="")
SITE_LANGUAGE = env.str("SITE_LANGUAGE", default="en").strip().lower()
SITE_TIME_ZONE = env.str("SITE_TIME_ZONE", default="UTC")
DEFAULT_REGION = env.str("DEFAULT_REGION", default="").upper()
RETRY_COOL_DOWN: list[str] = env.list("RETRY_COOL_DOWN", default=["300", "3600"])
BULK_APPROVAL_ABOVE = env.str("BULK_APPROVAL_ABOVE", default="500")
ALLOW_PRIVATE_PROVIDER_URLS = env.bool("ALLOW_PRIVATE_PROVIDER_URLS", default=False)
WORKER_ENGINE = env.str("WORKER_ENGINE", default="embedded")
BROKER_URL = env.str("BROKER_URL", default="")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()

HTTPS = PUBLIC_URL.startswith("https://")

# ------------------------------------------------------------------------------ database


SQLITE_SCHEMES = {"sqlite"}
POSTGRES_SCHEMES = {"postgres", "postgresql", "psql", "pgsql"}


def database(url: str) -> dict[str, Any]:
    """One DATABASES entry. SQLite gets WAL with full synchronisation: an answered webhook survives a power cut."""
    scheme = url.partition(":")[0].lower()
    if scheme not in SQLITE_SCHEMES | POSTGRES_SCHEMES:
        return {"ENGINE": "django.db.backends.dummy"}  # `manage.py check` says what is wrong
    config: dict[str, Any] = dict(environ.Env.db_url_config(url))
    config["CONN_MAX_AGE"] = 600
    if scheme in SQLITE_SCHEMES:
        name = Path(config["NAME"])
        config["NAME"] = str(name if name.is_absolute() else BASE_DIR / name)
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 5,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        }
    else:
        config["CONN_HEALTH_CHECKS"] = True
        given = dict(config.get("OPTIONS", {}))
        if str(given.pop("pgbouncer", "off")).lower() in {"on", "true", "yes", "1"}:
            # Each transaction may have another of the server's connections: no cursor outlives its own, and what is
            # set at the start is refused. The role has it instead (docs/operating.md).
            config["DISABLE_SERVER_SIDE_CURSORS"] = True
        else:
            # As on SQLite: a webhook that waits longer for a lock is answered 503, and the provider comes again. And a
            # disk without moving parts: else PostgreSQL would rather read a table's end than a piece of an index.
            given = {"options": "-c lock_timeout=5s -c random_page_cost=1.1", **given}
        config["OPTIONS"] = {"connect_timeout": 5, **given}
    return config


DATABASES = {"default": database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ------------------------------------------------------------------------------ application

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
    "csp",
    "axes",
    "dashboard.apps.Dashboard",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "dashboard.web.middleware.Compressed",
    "dashboard.web.middleware.Policy",
    "dashboard.web.middleware.PrivatePages",
    "dashboard.web.zones.TimeZones",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "dashboard.web.middleware.SessionLimits",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "dashboard.web.middleware.SecondFactor",
    "dashboard.web.middleware.RoleRequired",
    "dashboard.web.middleware.FormAddresses",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "dashboard.urls"
WSGI_APPLICATION = "dashboard.wsgi.application"
APPEND_SLASH = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.web.context.frame",
            ],
            "builtins": [
                "django.templatetags.static",
                "django.templatetags.i18n",
                "template_partials.templatetags.partials",
                "dashboard.web.tags",
            ],
        },
    }
]

# ------------------------------------------------------------------------------ people

AUTH_USER_MODEL = "dashboard.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "dashboard.web.sessions.Backend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"

# A guesser is slowed down by name *and* address, so that nobody can lock somebody else out.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "sign_in_locked.html"
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ACCESS_FAILURE_LOG = False
AXES_VERBOSE = False

SESSION_ENGINE = "dashboard.web.sessions"
SESSION_IDLE_SECONDS = 30 * 60
SESSION_ABSOLUTE_SECONDS = 12 * 60 * 60
SESSION_COOKIE_AGE = SESSION_ABSOLUTE_SECONDS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "session"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "csrf"
CSRF_FAILURE_VIEW = "dashboard.web.errors.csrf"

# ------------------------------------------------------------------------------ the browser's side

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # the proxy that ends TLS redirects people, and must not redirect webhooks
    "security.W021",  # whether a whole domain is preloaded is its owner's decision
]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # Tabler's CSS draws its icons from data: URLs
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
        "manifest-src": [SELF],
    }
}

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# ------------------------------------------------------------------------------ the rest

# One for the whole site: reasons that are kept, and answers to programs, are in it as well.
LANGUAGE_CODE = SITE_LANGUAGE
LOCALE_PATHS = [BASE_DIR / "locale", Path(django_countries.__file__).parent / "locale"]  # the latter: countries
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
DATA_UPLOAD_MAX_MEMORY_SIZE = 6 * 1024 * 1024  # the API takes 5 MB; the webhook door has its own, smaller cap
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"masked": {"()": "dashboard.logs.Masked"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["masked"]}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL if LOG_LEVEL in LOG_LEVELS else "INFO"},
    "loggers": {
        # These print whole URLs, and a URL may hold a token.
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "aiohttp": {"level": "WARNING"},
        "axes": {"level": "ERROR"},
        # Two lines for each of its jobs, twice a second.
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
    },
}
