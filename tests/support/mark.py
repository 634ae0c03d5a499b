"""Marks parameters that only `make test-long` runs."""

from collections.abc import Iterable
from typing import Any

import pytest


def by_hand_but(first: int, values: Iterable[Any]) -> list[Any]:
    """Return values for parametrize, of which every run takes so many, and `make test-long` the others as well."""
    every = list(values)
    others = (each if isinstance(each, tuple) else (each,) for each in every[first:])
    return [*every[:first], *(pytest.param(*each, marks=pytest.mark.by_hand) for each in others)]
