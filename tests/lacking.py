"""What a machine lacks: a developer's tests pass over it, and CI, which installs all there is, does not."""

import os
from typing import NoReturn

import pytest


def lacks(why: str) -> NoReturn:
    """Skip the test; in CI, fail it. why: what is not there, and how to get it."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
