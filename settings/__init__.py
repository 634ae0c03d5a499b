"""The settings, read top to bottom. Text from the environment is read and checked in env.py."""

import os
import socket
import sys
import tomllib
from pathlib import Path
from typing import Any

from django.conf import global_settings
from django.urls import reverse

from settings import database, env, json_lines, keys, scrubbing, shop

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]

env.load_file(BASE_DIR / ".env")
env.refuse_public_secrets(os.environ)

# --- The site -------------------------------------------------------------------------------------------------------

DEBUG = env.boolean("DEBUG", default=False)
SECRET_KEY = env.secret_key("SECRET_KEY", kept_in=VAR_DIR / "secret-key" if DEBUG else None)
# What they signed or encrypted is still read. One that could be guessed does not admit to staff pages.
SECRET_KEY_FALLBACKS = keys.earlier(env.text("SECRET_KEY_FALLBACKS"))
GUESSABLE_KEYS = [key for key in SECRET_KEY_FALLBACKS if keys.weakness(key)]
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "leads.staff",  # before Django's accounts, because its createsuperuser replaces theirs
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",  # for FORM_RENDERER
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "quoter",
    "quoter.shop",
    "leads",
    "checkout",
]

# They run for every page except as shortcut.py says. A customer's page has no session and makes no query: Django reads
# sessions and users only on first access, and only pages under SESSION_COOKIE_PATH access them.
MIDDLEWARE = [
    "telemetry.requests.RequestMiddleware",
    "leads.ops.metrics.MetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "settings.static.StaticFilesMiddleware",
    "quoter.content_policy.ContentPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "leads.delivery.health.HealthMiddleware",
    "quoter.shop.served.OneVersionMiddleware",
    "quoter.language.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "settings.shortcut.begins",
    "leads.staff.middleware.LongFormMiddleware",
    "leads.staff.middleware.OneChunkMiddleware",
    "leads.staff.outage.OutageMiddleware",  # before the first middleware that queries Postgres
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "leads.staff.middleware.SecondFactorMiddleware",
    "leads.staff.middleware.UnfinishedMiddleware",
    "settings.shortcut.ends",
    "checkout.tags.TagsMiddleware",
]

ROOT_URLCONF = "settings.urls"
WSGI_APPLICATION = "settings.wsgi.application"

# With DEBUG, Django's own loaders, which see a template that was edited.
_IN_MEMORY = [("django.template.loaders.cached.Loader", ["settings.templates.Loader"])]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": DEBUG,
        "OPTIONS": {
            "loaders": None if DEBUG else _IN_MEMORY,
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "quoter.site.business",
            ],
        },
    },
]

# Templates of form fields come from the engine above, and so from memory as well.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# Names through which a lower app uses a higher one without importing it: the calculator's template, extended by
# checkout, and the public page of a lead.
CALCULATOR_TEMPLATE = "checkout/calculator.html"
QUOTE_PAGE = "checkout:quote_page"
ABSOLUTE_URL_OVERRIDES = {"leads.lead": lambda lead: reverse(QUOTE_PAGE, args=[lead.folio])}

# --- The business ---------------------------------------------------------------------------------------------------

# The owner may change these while the site runs: other code reads them from `quoter.shop.values`, which falls back to
# these. settings/shop.py says what each means.
SHOP_TEXTS, SHOP_READER = shop.texts(debug=DEBUG), shop.read
_shop = shop.read(SHOP_TEXTS)
BUSINESS_NAME, WHATSAPP_NUMBER = _shop["BUSINESS_NAME"], _shop["WHATSAPP_NUMBER"]
WHATSAPP_HAS_PLUS = env.text("WHATSAPP_NUMBER").startswith("+")
BRAND_COLOR, BRAND_ACCENT = _shop["BRAND_COLOR"], _shop["BRAND_ACCENT"]
ANSWER_PROMISE, ESCALATE_AFTER = _shop["ANSWER_PROMISE"], _shop["ESCALATE_AFTER"]
BUSINESS_HOURS, HOLIDAYS = _shop["BUSINESS_HOURS"], _shop["HOLIDAYS"]
GREETINGS = {"es": _shop["GREETING_ES"], "en": _shop["GREETING_EN"]}
ALERT_EMAILS, ALERT_MANAGER_EMAILS = _shop["ALERT_EMAILS"], _shop["ALERT_MANAGER_EMAILS"]
# Commands run in any folder, so a relative path is one of the project.
PRICE_BOOK = BASE_DIR / env.path("PRICE_BOOK", default=BASE_DIR / "quoter" / "books" / "concrete.toml")
BRAND_LOGO = env.picture("BRAND_LOGO")
PRIVACY_NOTICE = BASE_DIR / env.path("PRIVACY_NOTICE", default=BASE_DIR / "checkout" / "privacy.toml")

# Both measure only the visits of people who agree.
GA4_MEASUREMENT_ID = env.matching("GA4_MEASUREMENT_ID", r"G-[A-Z0-9]{4,20}", example="G-AB12CD34EF")
META_PIXEL_ID = env.matching("META_PIXEL_ID", r"[0-9]{5,20}", example="1234567890123456")

# The pictures that chats show beside a link, drawn from the settings above when the site starts.
SHARE_DIR = VAR_DIR / "share"

LANGUAGE_CODE = env.choice("LANGUAGE_CODE", "es-mx", allowed=("es-mx", "en"))
LANGUAGES = [("es-mx", "Español"), ("en", "English")]
# Our own messages, and what Django and allauth say, in our words.
LOCALE_PATHS = [BASE_DIR / "locale", BASE_DIR / "locale/others"]
TIME_ZONE = env.time_zone("BUSINESS_TIME_ZONE", default="America/Ciudad_Juarez")
USE_TZ = True

# --- Leads ----------------------------------------------------------------------------------------------------------

# An unusable DATABASE_URL never stops the site: customers still reach WhatsApp, and leads.ops.checks reports it.
_database = database.from_url("DATABASE_URL", ca="DATABASE_CA")
DATABASE_KIND, DATABASE_FAULT, DATABASE_WARNINGS = _database.kind, _database.fault, _database.warnings
DATABASE_CA = env.text("DATABASE_CA")
_DATABASE_OPTIONS: dict[str, Any] = {
    "application_name": "folio",
    "server_side_binding": True,  # otherwise Postgres logs a refused lead with its name and phone
    "prepare_threshold": sys.maxsize,  # prepare only statements executed with prepare=True
    "connect_timeout": 2,  # seconds, libpq's minimum
    "gssencmode": "disable",
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 3000,
}
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **_database.config,
        "ENGINE": "settings.postgres",
        "ATTEMPT": "leads.delivery.turns.attempt",  # the context of each connection that is made
        "CONN_MAX_AGE": 300,
        "CONN_HEALTH_CHECKS": True,  # without them, a restart of Postgres would fail one page in each thread
        "DISABLE_SERVER_SIDE_CURSORS": True,  # they do not survive a transaction pooler
        "OPTIONS": _DATABASE_OPTIONS | _database.config["OPTIONS"],
    }
}
# The connection of `migrate`, if DATABASE_MIGRATION_URL is set.
DATABASE_MIGRATION: dict[str, Any] = {}
if env.text("DATABASE_MIGRATION_URL"):
    _migration = database.from_url("DATABASE_MIGRATION_URL", ca="DATABASE_CA")
    DATABASE_MIGRATION = {**_migration.config, "OPTIONS": _DATABASE_OPTIONS | _migration.config["OPTIONS"]}
    DATABASE_WARNINGS += _migration.warnings + ((_migration.fault,) if _migration.fault else ())
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

OUTBOX_DIRECTORIES = [
    BASE_DIR / env.path("OUTBOX_DIR", default=VAR_DIR / "outbox"),
    BASE_DIR / env.path("OUTBOX_SPARE_DIR", default=VAR_DIR / "outbox-spare"),
]
# For how many days delivered leads stay in the outbox, sealed, for `outbox replay`. 0: they are removed at once.
OUTBOX_KEEP_DAYS = env.integer("OUTBOX_KEEP_DAYS", 7)
# What staff and operators call this machine, where there are several.
MACHINE_NAME = "".join(filter(str.isprintable, env.text("MACHINE_NAME", default=socket.gethostname())))[:60]
# How long a checkout waits for Postgres; leads/delivery/__init__.py explains its waits and their sum.
LEAD_WAIT_MS = env.integer("LEAD_WAIT_MS", 400)
# Supabase's free plan makes a project read-only at 500 MB. 0: no limit to warn of.
DATABASE_LIMIT_MB = env.integer("DATABASE_LIMIT_MB", 500 if "supabase" in DATABASES["default"].get("HOST", "") else 0)

SUPABASE_URL = env.text("SUPABASE_URL")
SUPABASE_SERVICE_ROLE_KEY = env.service_role_key("SUPABASE_SERVICE_ROLE_KEY")
SUPABASE_KEY_PROJECT = str(env.claims(SUPABASE_SERVICE_ROLE_KEY).get("ref", ""))  # a key of today names none
# Whether leads also go through Supabase's REST API while Postgres is down. Nothing else uses the key.
SUPABASE_REST_COPY = env.rest_copy("SUPABASE_REST_COPY", url=SUPABASE_URL, key=SUPABASE_SERVICE_ROLE_KEY)

# --- Staff accounts -------------------------------------------------------------------------------------------------

# Off only for development, so that `make run` needs no authenticator.
REQUIRE_SECOND_FACTOR = env.boolean("REQUIRE_SECOND_FACTOR", default=not DEBUG)
LOGIN_URL, LOGIN_REDIRECT_URL = "account_login", "admin:index"
CSRF_FAILURE_VIEW = "leads.staff.errors.csrf_failure"
AUTHENTICATION_BACKENDS = ["leads.staff.backend.StaffBackend"]
PASSWORD_HASHERS = ["leads.staff.hashing.PasswordHasher", *global_settings.PASSWORD_HASHERS[1:]]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = 24 * 3600  # of the link with which a new colleague sets a password
# A working day. No page extends a session.
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_PATH = "/admin/"  # only staff pages have a session
# The default storage puts long messages into the session, and each save would extend it.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"

ACCOUNT_ADAPTER = "leads.staff.adapters.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_FORMS = {"login": "leads.staff.forms.LoginForm"}
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key"}  # per address and per login; leads/staff/attempts.py
ACCOUNT_SESSION_REMEMBER = True
# Each proxy appends an address to X-Forwarded-For. Clients can forge everything before the trusted ones.
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0 if DEBUG else 1)
MFA_FORMS = {"login_webauthn": "leads.staff.forms.PasskeyLoginForm"}
MFA_ADAPTER = "leads.staff.adapters.SecondFactorAdapter"
MFA_ALLOW_UNVERIFIED_EMAIL = True  # staff log in by user name, and their addresses are not verified
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RATE_LIMITS = {"webauthn_login": None}  # nobody can guess a passkey, and it has to work when passwords are locked
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_SUPPORTED_TYPES = ["webauthn", "totp", "recovery_codes"]
MFA_TOTP_ISSUER = BUSINESS_NAME
MFA_TOTP_TOLERANCE = 1  # phones' clocks differ, so the previous and the next code are valid too
MFA_WEBAUTHN_USER_VERIFICATION = "required"  # a passkey counts as both factors, so a finger or a PIN must unlock it
# Counts login attempts, shared by all processes and machines. Customers' pages never use it.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "staff_cache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},  # with fewer, guesses at many names would evict the counters
    },
    # Of each process: pages and parts of pages that are the same for many customers. With DEBUG, each is made anew.
    "pages": {
        "BACKEND": f"django.core.cache.backends.{'dummy.DummyCache' if DEBUG else 'locmem.LocMemCache'}",
        "TIMEOUT": None,  # a key has all that a page depends on
        "OPTIONS": {"MAX_ENTRIES": 100},
    },
}

# --- Alerts -----------------------------------------------------------------------------------------------------------

# Whether alerts have the customer's first name. Other people may read a lock screen.
ALERT_NAMES = env.boolean("ALERT_NAMES", default=True)
# The site sends requests to push URLs that browsers supply, so only known services are allowed: those of Chrome,
# Firefox, Safari and Edge.
PUSH_SERVICES = [
    r"https://fcm\.googleapis\.com/",
    r"https://[\w-]+\.push\.services\.mozilla\.com/",
    r"https://[\w-]+\.push\.apple\.com/",
    r"https://[\w-]+\.notify\.windows\.com/",
]
PUBLIC_HOST = next((host for host in ALLOWED_HOSTS if host not in ("localhost", "127.0.0.1", "[::1]", "*")), "")

EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.integer("EMAIL_PORT", 587)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
# Encrypted, unless the mail server runs on this machine.
EMAIL_USE_SSL = EMAIL_PORT == 465
EMAIL_USE_TLS = not EMAIL_USE_SSL and EMAIL_HOST not in ("localhost", "127.0.0.1")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", f"folio@{PUBLIC_HOST or 'localhost'}")

# --- Static files ---------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"  # with the slash: Django would put the prefix of the first request before it, and keep that
STATIC_ROOT = VAR_DIR / "static"  # only for pages of other releases; settings/static.py
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "settings.static.StaticFiles"},
}

# --- Security -------------------------------------------------------------------------------------------------------

# A body that is longer is not read. The longest form is staff's: a whole WhatsApp message of 65,536 characters, each of
# up to 12 bytes. `quoter.incoming` has the smaller bound of customers' forms.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# 20 lines with every helper filled in have 600.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000
# No page asks for a file, and none is ever written to the disk.
DATA_UPLOAD_MAX_NUMBER_FILES = 0
FILE_UPLOAD_HANDLERS = ["settings.body.NoFiles"]

# Chrome applies form-action to every redirect that follows a POST.
WHATSAPP_ORIGINS = ["https://wa.me", "https://api.whatsapp.com", "https://web.whatsapp.com"]
# Sites that may show the customers' pages in a frame: the shop's own. Staff's pages never are.
EMBED_ORIGINS = env.origins("EMBED_ORIGINS")
SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    "manifest-src": ["'self'"],
    "form-action": ["'self'", *WHATSAPP_ORIGINS],
    "base-uri": ["'none'"],
    "frame-ancestors": EMBED_ORIGINS or ["'none'"],
}
X_FRAME_OPTIONS = "DENY"
# The quote's link must not reach WhatsApp in a Referer header.
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"

# The site is at the root of its host, whatever SCRIPT_NAME a server or a header claims.
FORCE_SCRIPT_NAME = ""

if not DEBUG:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    # Browsers keep both for a year, also for those subdomains that still speak plain http.
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.boolean("HSTS_SUBDOMAINS", default=False)
    SECURE_HSTS_PRELOAD = env.boolean("HSTS_PRELOAD", default=False)
    # Django warns when the two are off.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# --- Logs and errors: the folio, never the person -------------------------------------------------------------------

LOG_FORMAT = env.choice("LOG_FORMAT", "text", allowed=("text", "json"))
# A line for each request, not only for those that fail, with its view and without its address.
REQUEST_LOG = env.boolean("REQUEST_LOG", default=False)
METRICS_TOKEN = env.token("METRICS_TOKEN")
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", allowed=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
_redact = scrubbing.redaction(
    [
        *(SECRET_KEY, *SECRET_KEY_FALLBACKS, SUPABASE_SERVICE_ROLE_KEY, EMAIL_HOST_PASSWORD, METRICS_TOKEN),
        env.text("SUPABASE_SECRET_KEY"),
        *(way.get("PASSWORD", "") for way in (DATABASES["default"], DATABASE_MIGRATION)),
    ]
)
SENTRY_DSN = env.text("SENTRY_DSN")
# How gunicorn's messages about malformed requests and broken connections begin.
GUNICORN_ABOUT_STRANGERS = ["Invalid request from ip=", "Socket error processing request."]
_STREAM = "telemetry.logstream.NonBlockingStream"
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {
            "()": scrubbing.LineFormatter,
            "fmt": "%(asctime)s %(in_request)s%(levelname)s %(name)s %(message)s",
            "redact": _redact,
            "zone": TIME_ZONE,
        },
        "json": {"()": json_lines.JsonFormatter, "redact": _redact, "version": VERSION},
    },
    "filters": {
        "as a notice": {"()": "telemetry.logstream.AsNotice"},
        "strangers as a notice": {"()": "telemetry.logstream.AsNotice", "beginnings": GUNICORN_ABOUT_STRANGERS},
        "not of an outage": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: getattr(record, "status_code", None) != 503,
        },
    },
    "handlers": {
        "console": {"class": _STREAM, "formatter": LOG_FORMAT},
        "notices": {"class": _STREAM, "formatter": LOG_FORMAT, "filters": ["as a notice"]},
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        # A 404 is the visitor's mistake and needs no attention. The circuit breaker logs an outage once.
        "django.request": {"level": "ERROR", "filters": ["not of an outage"]},
        # Scanners send wrong Host headers and forms without a CSRF token all day: worth a log line, not a report to
        # Sentry.
        "django.security": {"handlers": ["notices"], "propagate": False},
        # Errors outside Django are logged the same way. At DEBUG, gunicorn would log every URL.
        "gunicorn.error": {
            "handlers": [],
            "level": "INFO" if LOG_LEVEL == "DEBUG" else LOG_LEVEL,
            "filters": ["strangers as a notice"],
            "propagate": True,
        },
    },
}

if SENTRY_DSN:
    from settings import reporting

    reporting.start(SENTRY_DSN, environment=env.text("SENTRY_ENVIRONMENT"), before_send=scrubbing.before_send(_redact))
    LOGGING["handlers"]["sentry"] = reporting.HANDLER
    LOGGING["root"]["handlers"].append("sentry")
