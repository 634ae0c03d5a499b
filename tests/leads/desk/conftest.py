"""What the tests of the desk share."""

import pytest


@pytest.fixture
def english(settings):
    settings.LANGUAGE_CODE = "en"
