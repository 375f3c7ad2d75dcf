"""What each explorer of the chapter weighs in the page."""

import gzip
from collections.abc import Callable

import pytest

from mlsys_lib.explorers import Explorer
from mlsys_lib.explorers.collectives import race_explorer, ring_explorer, straggler_explorer


@pytest.mark.parametrize("make", [ring_explorer, race_explorer, straggler_explorer])
def test_an_explorer_weighs_less_than_150_kilobytes(make: Callable[[], Explorer]) -> None:
    assert len(gzip.compress(make().page().encode())) < 150_000
