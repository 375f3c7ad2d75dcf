import numpy as np
import pytest

from mlsys_lib.distributed_trees import QuantileSketch


def worst_error(sketch: QuantileSketch, values: np.ndarray) -> int:
    values = np.sort(values)
    kept, _ = sketch.weighted_values()
    true = np.searchsorted(values, kept, side="right")
    return int(np.abs([sketch.rank(v) for v in kept] - true).max())


@pytest.mark.parametrize("capacity", [2, 7, 16, 64])
@pytest.mark.parametrize("kind", ["normal", "rising", "ties", "falling"])
def test_no_rank_is_wrong_by_more_than_the_sketch_says(capacity, kind):
    rng = np.random.default_rng(0)
    values = {
        "normal": rng.normal(size=3000),
        "rising": np.arange(3000.0),
        "ties": rng.integers(0, 9, 3000).astype(float),
        "falling": -np.arange(3000.0),
    }[kind]
    sketch = QuantileSketch(capacity)
    for part in np.array_split(values, 41):
        sketch.add(part)
    assert worst_error(sketch, values) <= sketch.rank_error
    kept, weights = sketch.weighted_values()
    levels = len(sketch._levels)
    assert weights.sum() == sketch.num_values == 3000
    assert len(kept) <= capacity * levels
    assert sketch.rank_error <= 3000 / capacity * (levels - 1) + 2**levels


@pytest.mark.parametrize("seed", range(5))
def test_merged_in_any_order_the_bound_holds(seed):
    rng = np.random.default_rng(seed)
    values = rng.exponential(size=5000)
    cuts = np.sort(rng.integers(0, 5000, 8))
    sketches = [QuantileSketch(32).add(part) for part in np.split(values, cuts)]
    while len(sketches) > 1:
        one = sketches.pop(int(rng.integers(len(sketches))))
        sketches[int(rng.integers(len(sketches)))].merge(one)
    (merged,) = sketches
    assert merged.num_values == 5000
    assert worst_error(merged, values) <= merged.rank_error < 5000


def test_few_values_are_kept_as_they_are():
    sketch = QuantileSketch(8).add(np.array([3.0, 1.0, np.nan, 2.0]))
    assert sketch.weighted_values()[0].tolist() == [1, 2, 3]
    assert sketch.rank_error == 0
    assert sketch.quantiles([0, 0.5, 1]).tolist() == [1, 2, 3]
    assert QuantileSketch(8).quantiles([0.5]).size == 0


def test_merging_averages_of_quantiles_would_be_wrong():
    """The planted mistake: two shards of unequal size count alike."""
    shards = [np.zeros(900), np.ones(100)]
    naive = np.mean([np.median(shard) for shard in shards])
    merged = QuantileSketch(16).add(shards[0]).merge(QuantileSketch(16).add(shards[1]))
    assert merged.quantiles([0.5])[0] == np.median(np.concatenate(shards)) != naive


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="capacity must be an integer >= 2, got 1"):
        QuantileSketch(1)
    with pytest.raises(ValueError, match="capacity must be 8 to merge, got 4"):
        QuantileSketch(8).merge(QuantileSketch(4))


def test_odd_and_even_values_take_turns_so_that_errors_cancel():
    sketch = QuantileSketch(2).add(np.arange(4.0)).add(np.arange(4.0, 8.0))
    values, weights = sketch.weighted_values()
    assert (values.tolist(), weights.tolist()) == ([0, 5], [4, 4])  # without turns: 0 and 4


def test_missing_values_count_nowhere_and_the_middle_is_in_the_middle():
    sketch = QuantileSketch(8).add(np.array([1.0, np.nan, 2.0, 3.0, 4.0]))
    assert sketch.num_values == 4 and sketch.quantiles([0.5])[0] == 2
    coarse = QuantileSketch(4).add(np.arange(1000.0))
    assert abs(coarse.quantiles([0.5])[0] - 500) <= coarse.rank_error
