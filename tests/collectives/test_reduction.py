"""Which operations exist, and for which dtypes."""

import numpy as np
import pytest

from mlsys_lib.collectives.reduction import combine_for, finish


@pytest.mark.parametrize("op", ["sum", "max", "min"])
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float64"])
def test_numbers_combine(op: str, dtype: str) -> None:
    expected = {"sum": np.add, "max": np.maximum, "min": np.minimum}
    assert combine_for(op, np.dtype(dtype)) is expected[op]


@pytest.mark.parametrize("dtype", ["bool", "int64", "uint8"])
def test_mean_needs_fractions(dtype: str) -> None:
    with pytest.raises(TypeError, match=f"^op 'mean' needs a floating dtype, got {dtype}$"):
        combine_for("mean", np.dtype(dtype))


@pytest.mark.parametrize("dtype", ["M8[s]", "m8[s]", "U3", "S3", "O", "V4"])
def test_what_is_no_number_is_refused(dtype: str) -> None:
    with pytest.raises(TypeError, match=r"^op 'sum' needs numbers that it can combine, got dtype"):
        combine_for("sum", np.dtype(dtype))


def test_finish_divides_in_place_for_the_mean_alone() -> None:
    total = np.array([4.0, 6.0])
    assert finish("sum", total, 2) is total and total.tolist() == [4, 6]
    assert finish("mean", total, 2) is total and total.tolist() == [2, 3]
