"""This module is the settings of the console, all from the environment; what is missing or wrong stops the process with its name."""

from __future__ import annotations

from pathlib import Path

from csp.constants import NONE, SELF

from . import environment

BASE_DIR = Path(__file__).resolve().parent.parent

# Where and for whom -----------------------------------------------------------------------------------------------------------

CIM_DATA = environment.folder("CIM_DATA")
CIM_KEYS = Path(environment.text("CIM_KEYS", str(CIM_DATA / "keys"))).expanduser()
"""The folder of the keys of encrypted payloads."""
CIM_DEMO = environment.flag("CIM_DEMO")
CIM_DOMAINS = environment.words("CIM_DOMAINS")
CIM_HOME = environment.connection("CIM_NATS", default_url="nats://127.0.0.1:4222")
CIM_OBSERVED = environment.connections("CIM_OBSERVED")
CIM_NODE = environment.text("CIM_NODE", "")
"""The name of this node among all that are linked."""
CIM_LINKS = environment.links("CIM_LINKS", node=CIM_NODE, known=CIM_OBSERVED)
"""The layer of each observed connection to which events of this node travel."""
CIM_LOG_KEY = environment.vkey("CIM_LOG_KEY")
"""The vkey of this installation's log. Empty: the published keys are taken as they are."""
CIM_WITNESS = environment.vkey("CIM_WITNESS", address_first=True)
"""Address and vkey of the witness, with a space between. Empty: none."""
CIM_STREAM_CHANGES = environment.flag("CIM_STREAM_CHANGES")
CIM_PROTECTED_STREAMS = environment.words("CIM_PROTECTED_STREAMS")
"""Streams that no operation of the console changes, beside the console's own; a name may hold `*`."""
CIM_DEFAULT_SCHEDULES = environment.flag("CIM_DEFAULT_SCHEDULES", default=True)
"""Whether the first worker of all sets the schedules that a console begins with."""
CIM_UPLOAD_LIMIT = environment.megabytes("CIM_UPLOAD_MEGABYTES", default=1000)
"""Bytes of the largest file that is taken."""
CIM_ORIGINS = environment.origins("CIM_ORIGINS")
"""Whole origins under which browsers reach the console. Empty: the one that the Host header names."""

DEBUG = environment.flag("CIM_DEBUG")
SECRET_KEY = environment.secret("CIM_SECRET_KEY")
ALLOWED_HOSTS = environment.words("CIM_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
DATABASES = {"default": environment.database("CIM_DATABASE_URL", default=CIM_DATA / "console.sqlite3")}

# The project ------------------------------------------------------------------------------------------------------------------

ROOT_URLCONF = "cimadmin.urls"
ASGI_APPLICATION = "cimadmin.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
USE_I18N = False

INSTALLED_APPS = [
    *(["daphne"] if DEBUG else []),  # only `runserver` needs it, and importing it costs every command a second
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "django_htmx",
    "cimadmin",
    "apps.display",
    "apps.accounts",
    "apps.live",
    "apps.overview",
    "apps.streams",
    "apps.aggregates",
    "apps.projections",
    "apps.audit",
    "apps.raw_log",
    "apps.evolution",
    "apps.nodes",
    "apps.routes",
    "apps.runs",
    "apps.files",
    "apps.storage",
    "apps.search",
    "apps.api",
]

MIDDLEWARE = [
    "cimadmin.middleware.security_headers",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "cimadmin.middleware.PersistenceErrors",
]

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
                "apps.display.shell.shell",
            ],
            "builtins": ["apps.display.templatetags.display", "apps.accounts.templatetags.rights"],
        },
    }
]

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # static files are served from where they lie: nothing needs to be collected first
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_ALLOW_ALL_ORIGINS = False

# People -----------------------------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["apps.accounts.backend.RoleBackend"]
LOGIN_URL = "accounts:sign_in"
LOGIN_REDIRECT_URL = "overview:index"
LOGOUT_REDIRECT_URL = "accounts:sign_in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Security: the policy allows no inline script or style at all, so templates never hold any ------------------------------------

_IS_HTTPS = bool(CIM_ORIGINS) and all(origin.startswith("https://") for origin in CIM_ORIGINS)

SESSION_COOKIE_NAME = "cim-session"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"  # a link in a chat must open signed in
SESSION_COOKIE_SECURE = _IS_HTTPS
CSRF_COOKIE_NAME = "cim-csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_SECURE = _IS_HTTPS
CSRF_TRUSTED_ORIGINS = CIM_ORIGINS
CSRF_FAILURE_VIEW = "cimadmin.errors.csrf_failure"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "worker-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
