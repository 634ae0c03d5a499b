"""The readers of environment variables, one by one and in a process that starts."""

import base64
import json
import os
import re
import secrets
import stat
import subprocess
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from settings import env, keys
from settings.database import Database, from_url
from tests.support import mark
from tests.support.processes import ROOT, run

# Every variable of .env.example, set to an empty text, so that a developer's own .env does not set it.
NOTHING_SET = dict.fromkeys(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE), "")
SECRET_KEY = "zQ4-mX8_vT1c" + "HnW7bRkJ9yLsD2gPfE5aUo3iKt6M"
PRODUCTION = {"SECRET_KEY": SECRET_KEY, "WHATSAPP_NUMBER": "526561234567"}
DATABASE_URL = os.environ.get("DATABASE_URL", "")


def python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program after Django's setup, with only these variables in its environment."""
    variables = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "settings", **NOTHING_SET, **environment}
    return run("-W", "error", "-c", f"import django; django.setup(); {program}", environment=variables)


def refused(**environment: str) -> str:
    """Start a process that must refuse to start; return its output."""
    process = python("print('started')", **PRODUCTION | environment)
    assert process.returncode != 0
    assert "started" not in process.stdout
    assert "ImproperlyConfigured" in process.stderr
    return process.stdout + process.stderr


def settings_of(*names: str, **environment: str):
    """Start a process; return some of its settings."""
    listed = ", ".join(f"settings.{name}" for name in names)
    process = python(
        f"import json; from django.conf import settings; print(json.dumps([{listed}]))", **PRODUCTION | environment
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def setting(name: str, **environment: str):
    """Start a process; return one of its settings."""
    return settings_of(name, **environment)[0]


# --- Texts, switches, numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "read"), [("blue", "blue"), ("  blue\n", "blue"), ("", "red"), ("   ", "red"), ("$HOME", "$HOME")]
)
def test_a_text_is_read_unchanged_and_an_empty_one_counts_as_not_set(monkeypatch, value, read):
    monkeypatch.setenv("COLOUR", value)
    assert env.text("COLOUR", default="red") == read


def test_a_missing_variable_has_its_default(monkeypatch):
    monkeypatch.delenv("COLOUR", raising=False)
    assert env.text("COLOUR") == ""
    assert env.text("COLOUR", default="red") == "red"
    assert env.boolean("COLOUR", default=True) is True
    assert env.integer("COLOUR", 400) == 400
    assert env.names("COLOUR", default=["red"]) == ["red"]
    assert env.path("COLOUR", default=Path("red.toml")) == Path("red.toml")
    assert env.choice("COLOUR", "red", allowed=("red", "blue")) == "red"


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_required_variable_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv("COLOUR", value)
    with pytest.raises(ImproperlyConfigured, match="COLOUR is not set"):
        env.required("COLOUR")


@pytest.mark.parametrize(
    ("value", "read"),
    [("true", True), ("True", True), ("1", True), ("yes", True), ("ON", True), ("false", False), ("0", False)]
    + [("no", False), ("Off", False), (" true ", True)],
)
def test_a_switch_is_read_in_its_usual_spellings(monkeypatch, value, read):
    monkeypatch.setenv("SWITCH", value)
    assert env.boolean("SWITCH", default=not read) is read


@pytest.mark.parametrize("value", ["treu", "2", "-1", "enabled", "true # for now", "none"])
def test_a_switch_in_any_other_spelling_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv("SWITCH", value)
    with pytest.raises(ImproperlyConfigured, match="SWITCH"):
        env.boolean("SWITCH", default=False)


def test_a_whole_number_is_read(monkeypatch):
    monkeypatch.setenv("LEAD_WAIT_MS", " 250 ")
    assert env.integer("LEAD_WAIT_MS", 400) == 250
    monkeypatch.setenv("LEAD_WAIT_MS", "0")
    assert env.integer("LEAD_WAIT_MS", 400) == 0


@pytest.mark.parametrize("value", ["-1", "4.5", "4,5", "1e3", "soon", "400 ms", "１２", "9999999999", "9"])
def test_anything_but_a_whole_number_from_the_least_up_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv("LEAD_WAIT_MS", value)
    with pytest.raises(ImproperlyConfigured, match="LEAD_WAIT_MS takes a whole number from 10 up"):
        env.integer("LEAD_WAIT_MS", 400, at_least=10)


def test_a_list_is_separated_by_commas(monkeypatch):
    monkeypatch.setenv("ALLOWED_HOSTS", "a.example.com, b.example.com,,")
    assert env.names("ALLOWED_HOSTS", default=["localhost"]) == ["a.example.com", "b.example.com"]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("526561234567", "526561234567"),
        ("+52 (656) 123-4567", "526561234567"),
        ("5216561234567", "526561234567"),  # as before 2019
        ("+52 1 656 123 4567", "526561234567"),
        ("52165612345678", "52165612345678"),  # of another length
        ("", "520000000000"),
    ],
)
def test_a_whatsapp_number_is_read_as_people_write_it(monkeypatch, value, number):
    monkeypatch.setenv("WHATSAPP_NUMBER", value)
    assert env.phone_number("WHATSAPP_NUMBER", demo="520000000000") == number


@pytest.mark.parametrize(
    "value", ["656", "0526561234567", "52656123456x", "5265612345678901", "٥٢٦٥٦١٢٣٤٥٦٧", "5٢٦٥٦١٢٣٤٥٦٧"]
)
def test_an_impossible_whatsapp_number_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv("WHATSAPP_NUMBER", value)
    with pytest.raises(ImproperlyConfigured, match="WHATSAPP_NUMBER"):
        env.phone_number("WHATSAPP_NUMBER", demo="520000000000")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"),
        ("WHATSAPP_NUMBER", ""),
        ("WHATSAPP_NUMBER", "656 123"),
        ("BUSINESS_TIME_ZONE", "Mars/Olympus_Mons"),
        ("BUSINESS_TIME_ZONE", "America"),
        ("BUSINESS_TIME_ZONE", "/etc/passwd"),
        ("LANGUAGE_CODE", "es"),
        ("LANGUAGE_CODE", "de"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_LEVEL", "info"),
        ("LOG_FORMAT", "logfmt"),
        ("REQUEST_LOG", "some"),
        ("METRICS_TOKEN", "short"),
        ("METRICS_TOKEN", "paste-what-the-command-printed"),
        ("METRICS_TOKEN", "a" * 40),
    ],
)
def test_a_value_that_cannot_be_used_stops_the_start_and_names_the_variable(name, value):
    assert f"ImproperlyConfigured: {name} " in refused(**{name: value})


NAMES = ("BUSINESS_NAME", "TIME_ZONE", "LANGUAGE_CODE", "LOG_LEVEL", "ALLOWED_HOSTS")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (
            {
                "BUSINESS_NAME": "Concretos $ Ñ",
                "BUSINESS_TIME_ZONE": "America/Mexico_City",
                "LANGUAGE_CODE": "en",
                "LOG_LEVEL": "ERROR",
            },
            ["Concretos $ Ñ", "America/Mexico_City", "en", "ERROR", ["localhost", "127.0.0.1", "[::1]"]],
        ),
        ({}, ["Folio", "America/Ciudad_Juarez", "es-mx", "INFO", ["localhost", "127.0.0.1", "[::1]"]]),
    ],
)
def test_a_setting_has_its_value_from_the_environment_or_its_default(value, read):
    assert settings_of(*NAMES, **value) == read


def test_the_number_for_a_demo_is_nobody_s():
    assert setting("WHATSAPP_NUMBER", DEBUG="true", WHATSAPP_NUMBER="") == "520000000000"


# --- .env -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def unset(monkeypatch):
    """Return a function that unsets variables, and does so again after the test."""

    def unset_variables(*names: str) -> None:
        for name in names:
            monkeypatch.setenv(name, "")
            monkeypatch.delenv(name)

    return unset_variables


def test_a_file_sets_only_variables_that_the_environment_lacks(monkeypatch, unset, tmp_path):
    unset("COLOUR", "SIZE", "SHAPE")
    monkeypatch.setenv("COLOUR", "red")
    file = tmp_path / ".env"
    file.write_text("# a comment\n\nCOLOUR=blue\nSIZE='10 m'\nexport SHAPE=r#und\n")

    env.load_file(file)

    assert [env.text(name) for name in ("COLOUR", "SIZE", "SHAPE")] == ["red", "10 m", "r#und"]


def test_a_byte_order_mark_does_not_count(unset, tmp_path):
    unset("COLOUR", "SIZE")
    file = tmp_path / ".env"
    file.write_bytes(b"\xef\xbb\xbfCOLOUR=blue\r\nSIZE=10\r\n")
    env.load_file(file)
    assert [env.text("COLOUR"), env.text("SIZE")] == ["blue", "10"]


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_stops_the_start_with_what_to_do(unset, tmp_path, encoding):
    file = tmp_path / ".env"
    file.write_bytes("SECRET_KEY=S3cretW0rd-ñ\n".encode(encoding))
    with pytest.raises(ImproperlyConfigured) as error:
        env.load_file(file)
    assert str(error.value) == ".env is not saved as UTF-8. In Notepad: Save as, encoding UTF-8."
    assert error.value.__suppress_context__  # it repeats the file


def test_a_missing_file_is_ignored(tmp_path):
    env.load_file(tmp_path / ".env")


@pytest.mark.parametrize(
    "line", ["SECRET_KEY = S3cretW0rd", "SECRET_KEY: S3cretW0rd", " SECRET_KEY=S3cretW0rd", "S3cretW0rd"]
)
def test_a_line_that_cannot_be_read_stops_the_start_and_is_not_repeated(caplog, unset, tmp_path, line):
    unset("COLOUR")
    file = tmp_path / ".env"
    file.write_text(f"COLOUR=blue\n{line}\n")

    with pytest.raises(ImproperlyConfigured) as error:
        env.load_file(file)

    assert str(error.value) == "Line 2 of .env is not NAME=value."
    assert "S3cretW0rd" not in caplog.text


# --- The signing key ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "   "])
def test_a_missing_secret_key_stops_the_start_in_production(value):
    assert "ImproperlyConfigured: SECRET_KEY is not set" in refused(SECRET_KEY=value)


GUESSABLE_KEYS = {
    "short": "zQ4-mX8_vT1cHnW7bRkJ9yLsD2gPfE5",
    "one word": "hunter2",
    "a placeholder of our documents": "paste-what-the-command-printed",
    "Django's own": "django-insecure-8x!k2q$z7v@m4c^w9b&n1p(r5t)y6u_i0o-e3a+s",
    "a template's": "CHANGE_ME-zQ4-mX8_vT1cHnW7bRkJ9yLsD2gPfE5aUo3iKt6M",
    "another template's": "replace-this-with-50-random-characters-before-you-go-live",
    "an instruction": "your-secret-key-goes-here-and-nowhere-else-please",
    "what tests used": "the tests sign with this, and nobody else does",
    "one character": "k" * 50,
    "few characters": "abcabbacbcabcabcbacbabcbacbacbcbabcbacbcab",
    "a word again and again": "Tr0ub4dor&3" * 5,
    "the alphabet": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ",
    "digits in order": "0123456789" * 5,
}


@pytest.mark.parametrize("key", GUESSABLE_KEYS.values(), ids=GUESSABLE_KEYS)
def test_a_key_that_could_be_guessed_is_refused_with_the_command_for_a_good_one(monkeypatch, key):
    monkeypatch.setenv("SECRET_KEY", key)
    with pytest.raises(ImproperlyConfigured, match="^SECRET_KEY .*secrets.token_urlsafe") as error:
        env.secret_key("SECRET_KEY", kept_in=None)
    assert key not in str(error.value)


def test_a_guessable_key_stops_the_start_and_is_not_repeated():
    output = refused(SECRET_KEY="guess-me-if-you-can")
    assert "ImproperlyConfigured: SECRET_KEY has fewer than 32 characters." in output
    assert "guess-me-if-you-can" not in output


@pytest.mark.parametrize(
    "key",
    [
        *(secrets.token_urlsafe(50), secrets.token_hex(16), secrets.token_hex(32)),
        "gq#t0&_w!x4m(k9z^e7v$b2n@c5r*j8p%u1y+a3d=s6f-h",  # as Django makes them
        "una frase larga que nadie más escribe, con 27 borregos",
    ],
    ids=["token", "hex", "long hex", "django", "sentence"],
)
def test_a_key_that_nobody_can_guess_is_accepted(monkeypatch, key):
    monkeypatch.setenv("SECRET_KEY", f" {key} ")
    assert env.secret_key("SECRET_KEY", kept_in=None) == key


OLD, OLDER = "an old key of this shop, with a comma, 8fD2", "zQ4-mX8_vT1cHnW7bRkJ9yLsD2gPfE5aUo3iKt6M"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("", []),
        (OLDER, [OLDER]),
        (f"{OLDER}, {OLDER[::-1]},", [OLDER, OLDER[::-1]]),
        ("changeme", ["changeme"]),  # to move away from it
        (OLD, [*OLD.split(", "), OLD]),
    ],
)
def test_earlier_keys_are_a_list_also_weak_ones_and_one_that_has_a_comma(value, read):
    assert keys.earlier(value) == read


def test_earlier_keys_reach_the_settings_and_the_guessable_ones_are_known():
    listed = f"{OLDER},changeme"
    assert setting("SECRET_KEY_FALLBACKS", SECRET_KEY_FALLBACKS=listed)[:2] == [OLDER, "changeme"]
    assert OLDER not in setting("GUESSABLE_KEYS", SECRET_KEY_FALLBACKS=listed)


def test_development_makes_a_secret_key_once_and_keeps_it_to_itself(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_KEY", "")
    kept = tmp_path / "var" / "secret-key"

    first = env.secret_key("SECRET_KEY", kept_in=kept)

    assert len(first) >= 50
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert list(kept.parent.iterdir()) == [kept]
    assert env.secret_key("SECRET_KEY", kept_in=kept) == first


def test_two_installations_get_different_secret_keys(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_KEY", "")
    keys = {env.secret_key("SECRET_KEY", kept_in=tmp_path / name) for name in ("one", "two")}
    assert len(keys) == 2


def test_a_secret_key_in_the_environment_is_used_in_development_too(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_KEY", "$mine")
    assert env.secret_key("SECRET_KEY", kept_in=tmp_path / "secret-key") == "$mine"
    assert list(tmp_path.iterdir()) == []


# --- A database that cannot be used: the site starts ------------------------------------------------------------------

CONNECT = """
import json, time
from django.conf import settings
from django.db import OperationalError, connection
started = time.monotonic()
try:
    connection.ensure_connection()
    error = ""
except OperationalError as refused:
    error = str(refused)
seconds = time.monotonic() - started
print(json.dumps({
    "fault": settings.DATABASE_FAULT, "warnings": settings.DATABASE_WARNINGS, "error": error, "seconds": seconds
}))
"""


def connect(database_url: str, **environment: str) -> tuple[dict, str]:
    """Start a process and connect; return the result, and the process's error output."""
    process = python(f"exec({CONNECT!r})", **PRODUCTION | environment, DATABASE_URL=database_url)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout), process.stdout + process.stderr


# Each password is S3cret and W0rd with something in between.
BAD_URLS = {
    "empty": "",
    "garbage": "garbage",
    "another kind": "mysql://shop:S3cretW0rd@db.example.com/shop",
    "no scheme": "shop:S3cretW0rd@db.example.com/shop",
    "placeholder": "postgresql://postgres.project:[YOUR-PASSWORD]@pooler.example.com:5432/postgres",
    "placeholder, kept around": "postgresql://postgres.project:[S3cretW0rd]@pooler.example.com:5432/postgres",
    "bare #": "postgresql://shop:S3cret#W0rd@db.example.com:5432/shop",
    "bare # after digits": "postgresql://shop:12#S3cretW0rd@db.example.com:5432/shop",
    "bare # at the end": "postgresql://shop:S3cretW0rd@db.example.com:5432/shop#",
    "bare [": "postgresql://shop:S3cret[W0rd@db.example.com:5432/shop",
    "bare ]": "postgresql://shop:S3cret]W0rd@db.example.com:5432/shop",
    "bare /": "postgresql://shop:S3cret/W0rd@db.example.com:5432/shop",
    "bare / after digits": "postgresql://shop:12/S3cretW0rd@db.example.com:5432/shop",
    "bare / and @": "postgresql://shop:S3cret@1/W0rd@db.example.com:5432/shop",
    "bare ?": "postgresql://shop:S3cret?W0rd@db.example.com:5432/shop",
    "bare ? after digits": "postgresql://shop:12?S3cretW0rd@db.example.com:5432/shop",
    "no database": "postgresql://shop:S3cretW0rd@db.example.com:5432",
    "no database, slash": "postgresql://shop:S3cretW0rd@db.example.com:5432/",
    "no host": "postgresql://shop:S3cretW0rd@/shop",
    "no host at all": "postgresql:///shop",
    "empty host": "postgresql://shop:S3cretW0rd@/shop?host=",
    "host placeholder": "postgresql://shop:S3cretW0rd@[HOST]:5432/shop",
    "port of letters": "postgresql://shop:S3cretW0rd@db.example.com:port/shop",
    "port too high": "postgresql://shop:S3cretW0rd@db.example.com:65536/shop",
    "one port of letters": "postgresql://shop:S3cretW0rd@one.example.com:5432,two.example.com:port/shop",
    "one host left out": "postgresql://shop:S3cretW0rd@one.example.com,:5432/shop",
    "port 0": "postgresql://shop:S3cretW0rd@db.example.com:0/shop",
}


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS)
def test_an_unusable_database_url_is_reported_by_name_and_not_repeated(monkeypatch, url):
    monkeypatch.setenv("DATABASE_URL", url)
    database = from_url("DATABASE_URL", ca="DATABASE_CA")
    assert database.fault.startswith("DATABASE_URL ")
    assert database.kind == "none"
    assert "S3cret" not in str(database)
    assert "W0rd" not in str(database)


@pytest.mark.parametrize(
    "kind", mark.by_hand_but(2, ["garbage", "bare #", "empty", "another kind", "bare / after digits", "no host"])
)
def test_a_site_with_an_unusable_database_url_starts_and_reports_it(kind):
    result, output = connect(BAD_URLS[kind])

    assert result["fault"].startswith("DATABASE_URL ")
    assert f"{result['fault']} Customers pass" in output
    assert "DATABASE_URL cannot be used" in result["error"]
    assert result["seconds"] < 1
    assert not [trace for trace in ("S3cret", "W0rd") if trace in output]


def test_a_missing_database_url_is_reported(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert from_url("DATABASE_URL", ca="DATABASE_CA").fault == "DATABASE_URL is not set."


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("mysql://shop@db.example.com/shop", "postgresql://"),
        ("postgresql://shop:[YOUR-PASSWORD]@db.example.com/shop", "placeholder"),
        ("postgresql://shop:a#b@db.example.com/shop", "%23"),
        ("postgresql://shop:1#b@db.example.com/shop", "%23"),
        ("postgresql://shop:a[b@db.example.com/shop", "%5B"),
        ("postgresql://shop:1/b@db.example.com/shop", "%2F"),
        ("postgresql://shop:a@db.example.com:0/shop", "port"),
        ("postgresql://shop:a@/shop", "host"),
        ("postgresql://shop:a@db.example.com", "database"),
    ],
)
def test_a_fault_says_what_is_wrong_in_the_url(monkeypatch, url, advice):
    monkeypatch.setenv("DATABASE_URL", url)
    assert advice in from_url("DATABASE_URL", ca="DATABASE_CA").fault.replace("DATABASE_URL", "")


# --- A database that can be used --------------------------------------------------------------------------------------


@pytest.fixture
def read(monkeypatch):
    """Return a function that reads a database URL without a fault or a warning."""
    monkeypatch.setenv("DATABASE_CA", "")

    def database(url: str) -> Database:
        monkeypatch.setenv("DATABASE_URL", url)
        database = from_url("DATABASE_URL", ca="DATABASE_CA")
        assert (database.fault, database.warnings) == ("", ())
        return database

    return database


@pytest.mark.parametrize(
    ("servers", "host", "port"),
    [
        ("h1,h2", "h1,h2", ""),
        ("h1:5432,h2:5433", "h1,h2", "5432,5433"),
        ("h1:5433,h2", "h1,h2", "5433,"),
        ("[2001:db8::1]:5433,h2:5434", "2001:db8::1,h2", "5433,5434"),
    ],
)
def test_a_database_url_may_name_several_servers(servers, host, port, read):
    config = read(f"postgresql://shop:p%2Cw@{servers}/shop?target_session_attrs=read-write").config
    assert (config["HOST"], config["PORT"], config["PASSWORD"]) == (host, port, "p,w")
    assert config["OPTIONS"] == {"target_session_attrs": "read-write"}


def test_each_part_of_a_database_url_is_read(read):
    url = "postgres://postgres.project:S3cret@db.example.com:5433/postgres?sslmode=require&connect_timeout=5"
    assert read(url).config | {"ENGINE": ""} == {
        "ENGINE": "",
        "NAME": "postgres",
        "USER": "postgres.project",
        "PASSWORD": "S3cret",
        "HOST": "db.example.com",
        "PORT": 5433,
        "OPTIONS": {"sslmode": "require", "connect_timeout": 5},
    }


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("a%23b", "a#b"),
        ("a%5Bb%5D", "a[b]"),
        ("a%2Fb%3Fc", "a/b?c"),
        ("a%40b%3Ac", "a@b:c"),
        ("a%25b", "a%b"),
        ("a%C3%B1", "añ"),
        ("a+b", "a+b"),
        # These need no encoding.
        ("a@b", "a@b"),
        ("a:b", "a:b"),
        ("$a", "$a"),
        ("100%", "100%"),
    ],
)
def test_a_password_is_decoded(read, written, password):
    config = read(f"postgresql://shop:{written}@db.example.com:5432/shop").config
    assert (config["USER"], config["PASSWORD"]) == ("shop", password)
    assert (config["HOST"], config["PORT"], config["NAME"]) == ("db.example.com", 5432, "shop")


def test_the_host_may_be_the_directory_of_a_socket(read):
    config = read("postgresql://postgres@/shop?host=%2Ftmp%2Fpostgres").config
    assert (config["HOST"], config["OPTIONS"]) == ("", {"host": "/tmp/postgres"})


REF = "abcdefghijklmnopqrst"
POOLER = f"postgresql://postgres.{REF}:S3cret@aws-0-us-east-1.pooler.supabase.com"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (f"postgresql://postgres:S3cret@db.{REF}.supabase.co:5432/postgres", "direct"),
        (f"postgresql://postgres:S3cret@DB.{REF}.SUPABASE.CO/postgres", "direct"),
        (f"{POOLER}:5432/postgres", "session pooler"),
        (f"{POOLER}/postgres", "session pooler"),
        (f"{POOLER}:6543/postgres", "transaction pooler"),
        (f"{POOLER}:6543/postgres?pgbouncer=true", "transaction pooler"),
        (f"postgresql://postgres:S3cret@db.{REF}.supabase.co:6543/postgres", "transaction pooler"),
        ("postgresql://postgres.shop:S3cret@supabase.example.com:6543/postgres", "transaction pooler"),
        ("postgresql://shop@db.example.com/shop?pgbouncer=true", "transaction pooler"),
        ("postgresql://shop@db.example.com/shop?pgbouncer=false", "other"),
        ("postgresql://shop@db.example.com/shop", "other"),
        ("postgresql://shop@db.example.com/shop?port=5432", "other"),
        ("postgresql://shop@db.example.com/shop?port=garbage", "other"),
        ("postgresql://shop@supabase.co.example.com/shop", "other"),
        ("postgresql://postgres@/shop?host=%2Ftmp%2Fpostgres", "other"),
    ],
)
def test_the_kind_of_connection_is_known_by_its_url(read, url, kind):
    assert read(url).kind == kind


@pytest.mark.parametrize("url", [f"{POOLER}:6543/postgres", "postgresql://shop@db.example.com/shop?pgbouncer=true"])
def test_no_statement_is_prepared_through_a_transaction_pooler(read, url):
    assert read(url).config["OPTIONS"]["prepare_threshold"] is None


def test_a_user_without_a_project_is_a_warning_with_the_shared_pooler(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://postgres:S3cret@aws-0-us-east-1.pooler.supabase.com:6543/postgres")
    (warning,) = from_url("DATABASE_URL", ca="DATABASE_CA").warnings
    assert warning == "DATABASE_URL: the pooler's user must be role.project, such as postgres.abcdefghijklmnopqrst."


@pytest.mark.parametrize("port", [5432, 6543])
def test_a_user_with_a_project_is_a_warning_with_the_direct_host(monkeypatch, port):
    monkeypatch.setenv("DATABASE_URL", f"postgresql://postgres.{REF}:S3cret@db.{REF}.supabase.co:{port}/postgres")
    (warning,) = from_url("DATABASE_URL", ca="DATABASE_CA").warnings
    assert warning == "DATABASE_URL: on the direct host the user is the role alone, such as postgres."


@pytest.mark.parametrize(
    ("given", "used"), [("no-verify", "require"), ("Require", "require"), ("VERIFY-CA", "verify-ca")]
)
def test_an_sslmode_that_postgres_does_not_know_is_replaced_with_a_warning(monkeypatch, given, used):
    monkeypatch.setenv("DATABASE_URL", f"postgresql://shop@db.example.com/shop?sslmode={given}")
    database = from_url("DATABASE_URL", ca="DATABASE_CA")
    assert database.config["OPTIONS"] == {"sslmode": used}
    assert database.warnings == (f"DATABASE_URL: Postgres has no sslmode '{given}'; {used} is used.",)


def test_a_connection_to_the_test_database_succeeds():
    result, _ = connect(DATABASE_URL)
    assert (result["fault"], result["warnings"], result["error"]) == ("", [], "")


def test_unknown_parameters_are_left_out_with_a_warning():
    more = "&" if "?" in DATABASE_URL else "?"
    result, output = connect(f"{DATABASE_URL}{more}schema=shop&connection_limit=1&application_name=quotes")
    assert (result["fault"], result["error"]) == ("", "")
    assert result["warnings"] == [
        "DATABASE_URL: the parameter 'schema' is unknown to Postgres and was left out.",
        "DATABASE_URL: the parameter 'connection_limit' is unknown to Postgres and was left out.",
    ]
    assert all(warning in output for warning in result["warnings"])


def test_the_parameters_in_the_url_override_the_site_s_own():
    url = f"{POOLER}/postgres?application_name=quotes&sslmode=disable"
    options = setting("DATABASES['default']['OPTIONS']", DATABASE_URL=url)
    assert (options["application_name"], options["sslmode"]) == ("quotes", "disable")
    assert options["keepalives_idle"] == 15


# --- TLS; test_connections.py has a server with it --------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", [f"postgres@db.{REF}.supabase.co", f"postgres.{REF}@aws-0-us-east-1.pooler.supabase.com"]
)
def test_a_connection_to_supabase_is_encrypted_by_default(read, address):
    assert read(f"postgresql://{address}/postgres").config["OPTIONS"] == {"sslmode": "require"}


def test_tls_is_not_required_of_other_servers(read):
    assert read("postgresql://shop@db.example.com/shop").config["OPTIONS"] == {}


@pytest.mark.parametrize("content", [None, "", "garbage"], ids=["missing", "empty", "garbage"])
def test_a_site_with_an_unreadable_certificate_starts_and_reports_it(tmp_path, content):
    certificate = tmp_path / "ca.crt"
    if content is not None:
        certificate.write_text(content)

    result, output = connect(DATABASE_URL, DATABASE_CA=str(certificate))

    assert result["fault"] == f"DATABASE_CA is not a readable certificate file: {certificate}"
    assert f"{result['fault']} Customers pass" in output
    assert "DATABASE_CA cannot be used" in result["error"]
    assert result["seconds"] < 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_certificate_file_saved_by_notepad_is_reported_with_what_to_do(monkeypatch, tmp_path, encoding):
    certificate = tmp_path / "ca.crt"
    certificate.write_text("-----BEGIN CERTIFICATE-----\n", encoding=encoding)
    monkeypatch.setenv("DATABASE_URL", "postgresql://shop@db.example.com/shop")
    monkeypatch.setenv("DATABASE_CA", str(certificate))
    fault = from_url("DATABASE_URL", ca="DATABASE_CA").fault
    assert fault == f"DATABASE_CA begins with a byte order mark. In Notepad: Save as, encoding ANSI: {certificate}"


# --- Supabase's service key -------------------------------------------------------------------------------------------


NOT_A_SERVICE_KEY = "is not a service key: it begins with sb_secret_, or is a JWT whose role is service_role."


def a_jwt(**claims: str) -> str:
    """Return a token of Supabase's shape: header, claims, signature."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)] + [b"a signature" * 3]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


SERVICE_JWT = a_jwt(iss="supabase", ref="project", role="service_role")
ANON_JWT = a_jwt(iss="supabase", ref="project", role="anon")
SERVICE_KEY = "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"


@pytest.mark.parametrize("value", [SERVICE_JWT, SERVICE_KEY, f" {SERVICE_KEY}\n"])
def test_a_service_key_is_taken(monkeypatch, value):
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", value)
    assert env.service_role_key("SUPABASE_SERVICE_ROLE_KEY") == value.strip()


def test_the_service_key_is_optional(monkeypatch):
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "")
    assert env.service_role_key("SUPABASE_SERVICE_ROLE_KEY") == ""


@pytest.mark.parametrize(
    "value",
    [
        ANON_JWT,
        a_jwt(role="authenticated"),
        a_jwt(iss="service_role"),
        "sb_publishable_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz",
        "sb_secret_",
        "sb_secret_short",
        f"{SERVICE_KEY} and more",
        SERVICE_JWT.rpartition(".")[0],
        "a.b.c",
        "a.ñ.c",
        f"a.{base64.urlsafe_b64encode(b'[1, 2]').decode()}.c",
        "S3cretW0rd",
    ],
)
def test_any_other_kind_of_key_is_refused_and_not_repeated(monkeypatch, value):
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", value)
    with pytest.raises(ImproperlyConfigured) as error:
        env.service_role_key("SUPABASE_SERVICE_ROLE_KEY")
    assert str(error.value) == f"SUPABASE_SERVICE_ROLE_KEY {NOT_A_SERVICE_KEY}"


def test_a_key_of_the_wrong_kind_stops_the_start():
    output = refused(SUPABASE_SERVICE_ROLE_KEY=ANON_JWT)
    assert "ImproperlyConfigured: SUPABASE_SERVICE_ROLE_KEY " in output
    assert ANON_JWT not in output


# --- The copy through the REST API ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://abcdefgh.supabase.co",
        "https://api.quotes.example.com:8443/",
        "http://127.0.0.1:54321",
        "http://localhost:54321/",
    ],
)
def test_the_copy_is_switched_on_with_an_address_and_a_key(monkeypatch, url):
    monkeypatch.setenv("SUPABASE_REST_COPY", "true")
    assert env.rest_copy("SUPABASE_REST_COPY", url=url, key=SERVICE_KEY) is True


@pytest.mark.parametrize("value", ["", "false"])
def test_the_copy_is_off_by_default_and_needs_nothing_then(monkeypatch, value):
    monkeypatch.setenv("SUPABASE_REST_COPY", value)
    assert env.rest_copy("SUPABASE_REST_COPY", url="garbage", key="") is False


@pytest.mark.parametrize(
    "url",
    [
        "",
        "abcdefgh.supabase.co",
        "http://abcdefgh.supabase.co",
        "http://localhost.example.com",
        "http://127.0.0.1@example.com",
        "https://user:password@abcdefgh.supabase.co",
        "https://abcdefgh.supabase.co/rest/v1",
        "https://abcdefgh.supabase.co?apikey=x",
        "https://abcdefgh.supabase.co\nX-Header: x",
        "https://",
    ],
)
def test_the_key_is_sent_to_no_other_kind_of_address(monkeypatch, url):
    monkeypatch.setenv("SUPABASE_REST_COPY", "true")
    with pytest.raises(
        ImproperlyConfigured, match=r"^SUPABASE_REST_COPY is on, and SUPABASE_URL is not set to one such"
    ):
        env.rest_copy("SUPABASE_REST_COPY", url=url, key=SERVICE_KEY)


def test_the_copy_without_a_key_stops_the_start():
    output = refused(SUPABASE_REST_COPY="true", SUPABASE_URL="https://abcdefgh.supabase.co")
    assert "ImproperlyConfigured: SUPABASE_REST_COPY is on, and SUPABASE_SERVICE_ROLE_KEY is not set." in output


# --- Secrets in public places -----------------------------------------------------------------------------------------

SECRETS = {
    "SECRET_KEY": SECRET_KEY,
    "SECRET_KEY_FALLBACKS": "an0ther-Key-of-the-shop, Earl1er-Key-of-the-shop",
    "DATABASE_URL": "postgresql://shop:S3cret%2FW0rd@db.example.com:5432/shop",
    "SUPABASE_SERVICE_ROLE_KEY": SERVICE_JWT,
}
# Names that are refused whatever their value is.
PUBLIC_NAMES = [
    "NEXT_PUBLIC_SUPABASE_SERVICE_ROLE_KEY",
    "NEXT_PUBLIC_SERVICE_KEY",
    "NEXT_PUBLIC_CLIENT_SECRET",
    "NUXT_PUBLIC_SECRET_KEY",
    "EXPO_PUBLIC_DATABASE_URL",
    "VITE_DATABASE_MIGRATION_URL",
    "PUBLIC_DATABASE_URL",
    "VITE_SECRET_KEY",
    "REACT_APP_SUPABASE_SERVICE_ROLE_KEY",
    "VUE_APP_SECRET_KEY",
    "GATSBY_DATABASE_URL",
    "NG_APP_SUPABASE_SECRET_KEY",
    "NEXT_PUBLIC_SUPABASE_SECRET_KEYS",
    "BUN_PUBLIC_SUPABASE_SERVICE_ROLE_KEY",
    "REDWOOD_ENV_SECRET_KEY",
]
PUBLIC_VALUES = {
    "the service key": SERVICE_JWT,
    "the service key, around it a line": f" {SERVICE_JWT}\n",
    "another service key": SERVICE_KEY,
    "the signing key": SECRET_KEY,
    "the signing key, within": f"key={SECRET_KEY};",
    "an earlier signing key": "Earl1er-Key-of-the-shop",
    "the database": SECRETS["DATABASE_URL"],
    "the database's password": "S3cret/W0rd",
    "the database's password, encoded": "postgresql://shop:S3cret%2FW0rd@pooler.example.com:6543/shop",
    "another service key, in a header": f"Bearer {SERVICE_KEY}",
    "another service key, in JSON": json.dumps({"default": SERVICE_KEY, "url": "https://project.supabase.co"}),
    "another service key, in an address": f"https://project.supabase.co/rest/v1/?apikey={SERVICE_KEY}",
    "another project's service key": a_jwt(ref="other", role="service_role"),
    "another project's service key, in a header": f"Bearer {a_jwt(ref='other', role='service_role')}",
    "another project's service key, encoded": "%22" + a_jwt(ref="other", role="service_role") + "%22",
    "another database": "postgres://postgres.other:Hunter2-Hunter2@aws-0-us-east-1.pooler.supabase.com:6543/postgres",
    "another kind of database": "see redis://default:Hunter2-Hunter2@cache.example.com:6379",
    "a token of the management API": "sbp_0123456789abcdef0123456789abcdef01234567",
}


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_the_name_of_a_secret_under_a_public_prefix_is_refused(name):
    with pytest.raises(ImproperlyConfigured, match=f"^{name} is the name of a secret") as error:
        env.refuse_public_secrets({name: "x1y2z3"})
    assert "x1y2z3" not in str(error.value)


@pytest.mark.parametrize("prefix", ["NEXT_PUBLIC_", "PUBLIC_", "VITE_", "REACT_APP_", "NG_APP_"])
@pytest.mark.parametrize("value", PUBLIC_VALUES.values(), ids=PUBLIC_VALUES)
def test_the_value_of_a_secret_under_a_public_prefix_is_refused(prefix, value):
    name = f"{prefix}COLOUR"
    with pytest.raises(ImproperlyConfigured) as error:
        env.refuse_public_secrets(SECRETS | {name: value})
    assert str(error.value) == f"{name} holds a secret, and {prefix} makes it public."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NEXT_PUBLIC_SUPABASE_ANON_KEY", ANON_JWT),
        ("NEXT_PUBLIC_SUPABASE_URL", "https://project.supabase.co"),
        ("NEXT_PUBLIC_SUPABASE_PUBLISHABLE_KEY", "sb_publishable_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"),
        ("NEXT_PUBLIC_SENTRY_DSN", "https://0123456789abcdef@o1.ingest.sentry.io/1"),
        ("NEXT_PUBLIC_SUPABASE_HEADER", f"Bearer {ANON_JWT}"),
        ("NEXT_PUBLIC_SITE", "https://www.example.com:8443/a@b"),
        ("NEXT_PUBLIC_DATABASE", "postgresql://postgres.project:[YOUR-PASSWORD]@pooler.example.com:5432/postgres"),
        ("PUBLIC_URL", ""),
        ("OTHER_SECRET_KEY", SECRET_KEY),
        ("SECRETARY", "S3cret/W0rd"),
    ],
)
def test_a_value_that_is_not_secret_or_has_no_public_prefix_is_accepted(name, value):
    # Browsers report to the same Sentry project as the server, so its DSN is not secret.
    env.refuse_public_secrets(SECRETS | {"SENTRY_DSN": "https://0123456789abcdef@o1.ingest.sentry.io/1", name: value})


def test_a_short_password_does_not_turn_every_public_value_into_a_secret():
    env.refuse_public_secrets({"DATABASE_URL": "postgresql://shop:shop@db/shop", "VITE_TITLE": "The shop"})


@pytest.mark.parametrize(
    "public",
    [
        {"NEXT_PUBLIC_SUPABASE_SERVICE_ROLE_KEY": "S3cretW0rd"},
        {"NEXT_PUBLIC_COLOUR": SERVICE_JWT},
        {"VITE_COLOUR": SECRET_KEY},
        {"PUBLIC_COLOUR": "S3cret/W0rd"},
    ],
)
def test_a_secret_in_a_public_place_stops_the_start_and_is_not_repeated(public):
    (name,) = public
    output = refused(**SECRETS, **public)
    assert f"ImproperlyConfigured: {name} " in output
    assert not [secret for secret in (*SECRETS.values(), *public.values()) if secret in output]


def test_a_start_prints_no_secret():
    process = python("print('started')", **PRODUCTION | SECRETS)
    assert process.stdout == "started\n"
    assert not [secret for secret in (*SECRETS.values(), "S3cret") if secret in process.stderr]


@pytest.mark.parametrize("value", ["G-AB12CD34EF", ""])
def test_an_id_that_matches_its_pattern_is_read_unchanged(monkeypatch, value):
    monkeypatch.setenv("GA4_MEASUREMENT_ID", value)
    assert env.matching("GA4_MEASUREMENT_ID", r"G-[A-Z0-9]{4,20}", example="G-AB12CD34EF") == value


@pytest.mark.parametrize("value", ["UA-12345-1", "g-ab12", "G-AB12 ", 'G-1"><script>'])
def test_an_id_that_does_not_match_its_pattern_is_refused(monkeypatch, value):
    monkeypatch.setenv("GA4_MEASUREMENT_ID", f"{value}x")
    with pytest.raises(ImproperlyConfigured, match=r"^GA4_MEASUREMENT_ID does not have the form of G-AB12CD34EF\.$"):
        env.matching("GA4_MEASUREMENT_ID", r"G-[A-Z0-9]{4,20}", example="G-AB12CD34EF")
