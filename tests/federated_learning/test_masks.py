import hashlib

import numpy as np
import pytest

from mlsys_lib.federated_learning.masks import add_masks, mask, pair_sign

DTYPES = [np.dtype("<u2"), np.dtype("<u4"), np.dtype("<u8")]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mask_is_the_stream_of_shake_256(dtype: np.dtype) -> None:
    """Oracle: the bytes put together by hand, the lowest first."""
    stream = hashlib.shake_256(b"maskseed").digest(5 * dtype.itemsize)
    parts = [stream[i * dtype.itemsize : (i + 1) * dtype.itemsize] for i in range(5)]
    expected = [int.from_bytes(part, "little") for part in parts]
    assert mask(b"seed", 5, dtype).tolist() == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_added_can_be_taken_off(dtype: np.dtype) -> None:
    vector = np.arange(9).astype(dtype)
    hidden = add_masks(vector, [(b"a", 1), (b"b", -1)])
    assert hidden.dtype == dtype and not np.array_equal(hidden, vector)
    np.testing.assert_array_equal(add_masks(hidden, [(b"b", 1), (b"a", -1)]), vector)
    np.testing.assert_array_equal(vector, np.arange(9))


def test_every_pair_has_one_who_adds_and_one_who_subtracts() -> None:
    assert all(pair_sign(i, j) == -pair_sign(j, i) for i in range(4) for j in range(4) if i != j)


def test_no_seeds_and_no_elements() -> None:
    assert add_masks(np.array([7], np.uint32), []).tolist() == [7]
    assert add_masks(np.zeros(0, np.uint64), [(b"a", 1)]).shape == (0,)
