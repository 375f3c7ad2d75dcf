"""Chunks cover the array once, in order, and differ by at most one element."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlsys_lib.collectives.chunks import chunk_sizes, split


@given(num_elements=st.integers(0, 200), num_chunks=st.integers(1, 70))
def test_cuts_as_numpy_does(num_elements: int, num_chunks: int) -> None:
    x = np.arange(num_elements)
    expected = np.array_split(x, num_chunks)
    chunks = split(x, num_chunks)
    assert chunk_sizes(num_elements, num_chunks) == [len(chunk) for chunk in expected]
    for mine, theirs in zip(chunks, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_chunks_are_views() -> None:
    x = np.zeros(5)
    split(x, 2)[1][:] = 1
    assert x.tolist() == [0, 0, 0, 1, 1]
