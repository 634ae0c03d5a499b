"""What every test finds: the static files collected as for production. Fixtures of one subject stay in its file."""

import signal
from pathlib import Path

import hypothesis
import pytest
from django.conf import settings
from django.core.management import call_command

# Whoever ends pytest ends the servers that it started, too.
signal.signal(signal.SIGTERM, signal.default_int_handler)

# A slow machine is no finding: properties assert what is true, never how fast.
hypothesis.settings.register_profile("folio", deadline=None)
hypothesis.settings.load_profile("folio")


@pytest.fixture(scope="session", autouse=True)
def collected_static_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings.STATIC_ROOT = tmp_path_factory.mktemp("static")
    call_command("collectstatic", verbosity=0, interactive=False)
    return settings.STATIC_ROOT
