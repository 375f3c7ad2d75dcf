"""What all optimizers share: in place, block by block, nothing half done."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from mlsys_lib.optimizers import (
    LAMB,
    LARS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    HeavyBall,
    Lion,
    Muon,
    Nesterov,
    RMSprop,
    Shampoo,
)
from mlsys_lib.optimizers.base import BLOCK
from tests.optimizers.problems import arrays, gradients, walk

EVERY: dict[str, Any] = {
    "SGD": SGD, "HeavyBall": HeavyBall, "Nesterov": Nesterov, "Adagrad": Adagrad,
    "RMSprop": RMSprop, "Adam": Adam, "AdamW": AdamW, "LAMB": LAMB, "LARS": LARS, "Lion": Lion,
    "Shampoo": Shampoo, "Muon": Muon,
}  # fmt: skip
every = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
SHAPES: list[tuple[int, ...]] = [(3, 4), (2, 2)]
ELEMENTWISE = [SGD, HeavyBall, Nesterov, Adagrad, RMSprop, Adam, AdamW, Lion]


def snapshot(optimizer: Any) -> bytes:
    """Return everything that a refused step must leave alone."""
    return pickle.dumps((optimizer.weights, optimizer.state, optimizer.num_steps))


@every
def test_weights_change_in_place_and_gradients_do_not(make: Any) -> None:
    weights = arrays(SHAPES, 0)
    held, before = list(weights), [w.copy() for w in weights]
    optimizer = make(weights)
    for step in gradients(SHAPES, 3):
        kept = [g.copy() for g in step]
        optimizer.step(step)
        np.testing.assert_equal(step, kept)
    assert all(mine is theirs for mine, theirs in zip(optimizer.weights, held, strict=True))
    assert all((w != b).any() for w, b in zip(weights, before, strict=True))
    assert optimizer.num_steps == 3


@every
def test_arrays_do_not_depend_on_each_other(make: Any) -> None:
    """Two arrays in one optimizer walk as each does alone."""
    steps = list(gradients(SHAPES, 4))
    together = walk(make(arrays(SHAPES, 0)), steps)
    for i in range(2):
        alone = walk(make([arrays(SHAPES, 0)[i]]), [[step[i]] for step in steps])
        np.testing.assert_array_equal(alone[0], together[i])


@every
def test_to_maximize_is_to_minimize_the_negative(make: Any) -> None:
    steps = list(gradients(SHAPES, 4))
    up = walk(make(arrays(SHAPES, 0), maximize=True), steps)
    down = walk(make(arrays(SHAPES, 0)), [[-g for g in step] for step in steps])
    np.testing.assert_equal(up, down)


@every
def test_a_copy_goes_on_alike(make: Any) -> None:
    """All that matters later is in weights, state and num_steps."""
    steps = list(gradients(SHAPES, 6))
    optimizer = make(arrays(SHAPES, 0))
    walk(optimizer, steps[:3])
    other = copy.deepcopy(optimizer)
    np.testing.assert_equal(walk(optimizer, steps[3:]), walk(other, steps[3:]))
    restored = make([w.copy() for w in optimizer.weights])
    restored.num_steps = optimizer.num_steps
    restored.state = copy.deepcopy(optimizer.state)
    np.testing.assert_equal(walk(optimizer, steps[:2]), walk(restored, steps[:2]))


@every
def test_descends_a_bowl(make: Any) -> None:
    """The gradient of ½ ‖w‖² is w: handed over as the very array that changes."""
    w = arrays([(3, 4)], 0)[0]
    other = w.copy()
    start = float(np.linalg.norm(w))
    optimizer, apart = make([w], learning_rate=0.01), make([other], learning_rate=0.01)
    for _ in range(50):
        optimizer.step([w])
        apart.step([other.copy()])
    assert float(np.linalg.norm(w)) < start
    np.testing.assert_array_equal(w, other)


@every
def test_gradients_may_be_the_weights_of_another_array(make: Any) -> None:
    """Of w₀ · w₁ each is the other's gradient; the first must not move before it is read."""
    weights, apart = arrays([(2, 2)] * 2, 0), arrays([(2, 2)] * 2, 0)
    one, other = make(weights, learning_rate=0.1), make(apart, learning_rate=0.1)
    for _ in range(3):
        one.step(weights[::-1])
        other.step([w.copy() for w in apart[::-1]])
    np.testing.assert_equal(weights, apart)


@every
def test_zero_gradients_leave_finite_weights(make: Any) -> None:
    """No 0 / 0 where nothing has been seen; without decay nothing moves."""
    weights = arrays(SHAPES, 0)
    before = [w.copy() for w in weights]
    optimizer = make(weights) if make in (HeavyBall, Nesterov) else make(weights, weight_decay=0)
    for _ in range(3):
        optimizer.step([np.zeros(shape) for shape in SHAPES])
    np.testing.assert_equal(weights, before)


@every
def test_no_arrays_and_empty_arrays(make: Any) -> None:
    make([]).step([])
    optimizer = make([np.empty((0, 3)), np.ones((1, 1))])
    optimizer.step([np.empty((0, 3)), np.ones((1, 1))])
    assert np.isfinite(optimizer.weights[1]).all() and optimizer.weights[0].shape == (0, 3)


@pytest.mark.parametrize("make", ELEMENTWISE)
@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_blocks_leave_no_seam(make: Any, size: int) -> None:
    """A long array walks as its elements do, at the ends of blocks too."""
    steps = [[g.astype(np.float32) for g in arrays([(size,)], seed)] for seed in range(3)]
    whole = walk(make(arrays([(size,)], 9, np.float32)), steps)[0]
    edges = sorted({i % size for i in (0, BLOCK - 1, BLOCK, 2 * BLOCK - 1, 2 * BLOCK, -1)})
    few = arrays([(size,)], 9, np.float32)[0][edges]
    np.testing.assert_array_equal(walk(make([few]), [[step[0][edges]] for step in steps])[0], few)
    np.testing.assert_allclose(whole[edges], few, rtol=2e-7)


def test_an_elementwise_step_allocates_nothing_of_the_size_of_the_model() -> None:
    import tracemalloc

    weights, step = [np.ones(2**20, np.float32)], [np.ones(2**20, np.float32)]
    optimizer = Adam(weights)
    tracemalloc.start()
    optimizer.step(step)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**16  # bytes, of 4 million


def test_gradients_may_have_any_strides() -> None:
    transposed = arrays([(4, 3)], 1)[0].T
    one = walk(Adam(arrays([(3, 4)], 0)), [[transposed]])
    other = walk(Adam(arrays([(3, 4)], 0)), [[transposed.copy()]])
    np.testing.assert_equal(one, other)


def test_a_number_serves_as_the_gradient_of_an_array_without_axes() -> None:
    w = np.array(2.0)
    SGD([w], learning_rate=0.5).step([w * 2.0])
    assert w == 0.0


def test_large_finite_gradients_pass() -> None:
    """Their dot product overflows, they do not."""
    w = np.zeros(3, np.float32)
    SGD([w], learning_rate=1e-10).step([np.full(3, 1e30, np.float32)])
    np.testing.assert_allclose(w, -1e20, rtol=1e-6)


@every
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(make: Any, value: float) -> None:
    """The message names array, place and step."""
    optimizer = make(arrays(SHAPES, 0))
    optimizer.step(arrays(SHAPES, 1))
    bad = arrays(SHAPES, 2)
    bad[1][1, 0] = value
    before = snapshot(optimizer)
    message = rf"gradients\[1\] must be finite, got {value} at \(1, 0\) in step 2"
    with pytest.raises(ValueError, match=message):
        optimizer.step(bad)
    assert snapshot(optimizer) == before


@every
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda g: g[:1], ValueError, "gradients must be 2 arrays, got 1"),
        (lambda g: [*g, g[0]], ValueError, "gradients must be 2 arrays, got 3"),
        (
            lambda g: [g[0], g[1][:1]],
            ValueError,
            r"gradients\[1\] must have shape \(2, 2\), got \(1, 2\)",
        ),
        (
            lambda g: [g[0].T, g[1]],
            ValueError,
            r"gradients\[0\] must have shape \(3, 4\), got \(4, 3\)",
        ),
        (
            lambda g: [g[0], g[1].astype(np.float32)],
            TypeError,
            r"gradients\[1\] must be an array of float64, got float32",
        ),
        (
            lambda g: [g[0], None],
            TypeError,
            r"gradients\[1\] must be an array of float64, got NoneType",
        ),
        (lambda g: g[0], TypeError, "gradients must be a sequence of arrays, got one array"),
    ],
)
def test_gradients_that_do_not_fit_change_nothing(
    make: Any, change: Any, error: type[Exception], message: str
) -> None:
    optimizer = make(arrays(SHAPES, 0))
    before = snapshot(optimizer)
    with pytest.raises(error, match=message):
        optimizer.step(change(arrays(SHAPES, 1)))
    assert snapshot(optimizer) == before


def read_only() -> np.ndarray:
    w = np.ones((2, 2))
    w.flags.writeable = False
    return w


SHARED = np.ones((2, 2))


@every
@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (np.ones((2, 2)), TypeError, "weights must be a sequence of arrays, got one array"),
        ([[1.0]], TypeError, r"weights\[0\] must be an array of float32 or float64, got list"),
        ([np.ones((2, 2), int)], TypeError, r"weights\[0\] must be an array .* got int64"),
        ([np.ones((2, 3)).T], ValueError, r"weights\[0\] must be C-contiguous and writeable"),
        ([read_only()], ValueError, r"weights\[0\] must be C-contiguous and writeable"),
        ([SHARED, SHARED], ValueError, r"weights\[1\] must not overlap weights\[0\]"),
        ([SHARED, SHARED[1:]], ValueError, r"weights\[1\] must not overlap weights\[0\]"),
    ],
)
def test_weights_that_cannot_change_in_place_are_refused(
    make: Any, weights: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(weights)


RANGES: list[tuple[Any, dict[str, Any], str]] = [
    (SGD, {"momentum": 1.0}, r"momentum must be in \[0, 1\), got 1.0"),
    (SGD, {"momentum": -0.1}, r"momentum must be in \[0, 1\), got -0.1"),
    (SGD, {"momentum": 0.9, "dampening": 1.5}, r"dampening must be in \[0, 1\], got 1.5"),
    (SGD, {"momentum": 0.9, "dampening": -1}, "dampening must be finite and >= 0, got -1"),
    (SGD, {"nesterov": True}, "nesterov must come with momentum > 0 and dampening 0, got 0.0"),
    (SGD, {"momentum": 0.9, "dampening": 0.1, "nesterov": True}, "nesterov must come with"),
    (HeavyBall, {"momentum": 1}, r"momentum must be in \[0, 1\), got 1"),
    (Nesterov, {"momentum": float("nan")}, r"momentum must be in \[0, 1\), got nan"),
    (Adagrad, {"eps": 0.0}, "eps must be finite and > 0, got 0.0"),
    (Adagrad, {"lr_decay": -1}, "lr_decay must be finite and >= 0, got -1"),
    (Adagrad, {"initial_accumulator": -1}, "initial_accumulator must be finite and >= 0"),
    (RMSprop, {"decay": 1.0}, r"decay must be in \[0, 1\), got 1.0"),
    (RMSprop, {"eps": -1}, "eps must be finite and > 0, got -1"),
    (RMSprop, {"momentum": 2}, r"momentum must be in \[0, 1\), got 2"),
    (Adam, {"decays": (0.9, 1.0)}, r"decays\[1\] must be in \[0, 1\), got 1.0"),
    (Adam, {"decays": (0.9,)}, "decays must be two numbers, got 1"),
    (Adam, {"eps": 0}, "eps must be finite and > 0, got 0"),
    (AdamW, {"decays": (-0.9, 0.9)}, r"decays\[0\] must be in \[0, 1\), got -0.9"),
    (LAMB, {"eps": 0}, "eps must be finite and > 0, got 0"),
    (LAMB, {"decays": (0.9, 2)}, r"decays\[1\] must be in \[0, 1\), got 2"),
    (LARS, {"trust": 0}, "trust must be finite and > 0, got 0"),
    (LARS, {"momentum": 1}, r"momentum must be in \[0, 1\), got 1"),
    (Lion, {"decays": (0.9, 1)}, r"decays\[1\] must be in \[0, 1\), got 1"),
    (Shampoo, {"eps": 0}, "eps must be finite and > 0, got 0"),
    (Muon, {"momentum": 1}, r"momentum must be in \[0, 1\), got 1"),
    (Muon, {"eps": 0}, "eps must be finite and > 0, got 0"),
    (Muon, {"num_iterations": 0}, "num_iterations must be an integer >= 1, got 0"),
    (Muon, {"coefficients": (1, 2)}, r"coefficients must be three finite numbers, got \(1, 2\)"),
    (Muon, {"scale": "big"}, "scale must be one of 'original', 'match_rms_adamw', got 'big'"),
]


@pytest.mark.parametrize(("make", "options", "message"), RANGES)
def test_options_out_of_range_are_refused(make: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make([np.ones((2, 2))], **options)


@every
def test_rates_out_of_range_are_refused(make: Any) -> None:
    """At first more than 0; between steps 0 will do, as schedules end there."""
    for rate, message in ((-1, "got -1"), (0, "got 0"), (float("nan"), "got nan")):
        with pytest.raises(ValueError, match=f"learning_rate must be finite and > 0, {message}"):
            make([np.ones((2, 2))], learning_rate=rate)
    with pytest.raises(TypeError, match="learning_rate must be a number > 0, got '1'"):
        make([np.ones((2, 2))], learning_rate="1")
    optimizer = make([np.ones((2, 2))], learning_rate=0.1)
    with pytest.raises(ValueError, match="learning_rate must be finite and >= 0, got -1"):
        optimizer.learning_rate = -1
    assert optimizer.learning_rate == 0.1
    optimizer.learning_rate = 0


@pytest.mark.parametrize("name", [n for n in EVERY if n not in ("HeavyBall", "Nesterov")])
def test_negative_weight_decay_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"weight_decay must be finite and >= 0, got -0\.1"):
        EVERY[name]([np.ones((2, 2))], weight_decay=-0.1)


def test_muon_takes_matrices_alone() -> None:
    with pytest.raises(ValueError, match=r"weights\[1\] must have two axes, got shape \(3,\)"):
        Muon([np.ones((2, 2)), np.ones(3)])


@pytest.mark.parametrize("make", ELEMENTWISE)
def test_what_overflows_becomes_infinite_without_a_warning(make: Any) -> None:
    """Whoever trains looks at the weights; see `train`."""
    w = np.full(3, 3e38, np.float32)
    optimizer = make([w], learning_rate=1e38)
    for _ in range(3):
        optimizer.step([np.full(3, -1e30, np.float32)])
    assert not np.isnan(optimizer.learning_rate)


def test_centered_rmsprop_survives_equal_gradients() -> None:
    """Rounding leaves a variance a little below 0 now and then; its root is no NaN."""
    w = np.zeros(64)
    optimizer = RMSprop([w], centered=True, decay=0.5, learning_rate=1e-9)
    g = np.random.default_rng(0).normal(size=64)
    for _ in range(200):
        optimizer.step([g])
    assert np.isfinite(w).all()
