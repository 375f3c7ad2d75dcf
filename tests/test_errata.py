"""The numbers on the errata page, worked out again: each test is one entry's evidence."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

Array = NDArray[np.float64]


def ladder(first: int, rungs: int) -> list[int]:
    """Return how many configurations a bracket keeps on each rung, at reduction factor 3."""
    return [first // 3**rung for rung in range(rungs)]


# --- the program would be wrong ---


def test_e06_a_plus_climbs() -> None:
    """On f = w²/2, the gradient is w: with a minus w shrinks, with a plus it grows."""
    down = up = 1.0
    for _ in range(50):
        down, up = down - 0.1 * down, up + 0.1 * up
    assert abs(down) < 0.01
    assert abs(up) > 100


def test_e10_only_one_order_fits() -> None:
    d_out, d_in, r = 8, 6, 2
    weight, b, a = np.zeros((d_out, d_in)), np.zeros((d_out, r)), np.zeros((r, d_in))
    assert (weight + b @ a).shape == weight.shape
    with pytest.raises(ValueError, match="matmul"):
        a @ b
    square_a, square_b = np.zeros((r, d_in)), np.zeros((d_in, r))
    assert (square_a @ square_b).shape == (r, r)  # as printed: multiplies, and cannot be added


def cocoa_error(num_workers: int, factor: float, scale: float, rounds: int) -> float:
    """Distance from the optimum of CoCoA on ridge regression whose shards are all the same.

    Each local problem is solved exactly; `factor` multiplies its quadratic term, and `scale`
    the sum of the changes.
    """
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=4)
    gram = x @ x.T
    best = np.linalg.solve(np.eye(4) + num_workers * gram, y)
    dual = np.zeros((num_workers, 4))
    for _ in range(rounds):
        residual = y - dual - gram @ dual.sum(axis=0)
        dual += scale * np.linalg.solve(np.eye(4) + factor * gram, residual.T).T
    return float(np.abs(dual - best).max())


def test_e16_naive_adding_diverges() -> None:
    assert cocoa_error(3, factor=1, scale=1, rounds=100) > 1e6
    assert cocoa_error(2, factor=1, scale=1, rounds=300) < 1  # two workers: slow, not divergent
    for m in (2, 3, 8):
        assert cocoa_error(m, factor=m, scale=1, rounds=1) < 1e-12  # exact after one round
        assert cocoa_error(m, factor=1, scale=1 / m, rounds=300) < 1e-6  # averaging


def test_e18_adagrad_needs_a_guard() -> None:
    gradient = np.array([0.0, 1.0])
    with np.errstate(invalid="ignore"):
        assert np.isnan(gradient / np.sqrt(gradient**2))[0]
    assert np.isfinite(gradient / (np.sqrt(gradient**2) + 1e-10)).all()


def spectral_radius(step: float, momentum: float, curvature: float) -> float:
    """Return the rate of w' = w - step·curvature·w + momentum·(w - w_before)."""
    matrix = np.array([[1 - step * curvature + momentum, -momentum], [1.0, 0.0]])
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def test_e21_heavy_ball_rate() -> None:
    """Curvatures 1 and 100: the best heavy ball, best plain descent, and a lost minus."""
    root = math.sqrt(100)
    step, momentum = 4 / (root + 1) ** 2, ((root - 1) / (root + 1)) ** 2
    worst = max(spectral_radius(step, momentum, c) for c in (1, 10, 100))
    # At a double eigenvalue the solver is good to the square root of the machine's precision.
    assert worst == pytest.approx((root - 1) / (root + 1), abs=1e-6)
    assert worst == pytest.approx(0.818, abs=5e-4)
    assert max(abs(1 - 2 / 101 * c) for c in (1, 100)) == pytest.approx(0.980, abs=5e-4)
    assert spectral_radius(-step, momentum, 1) > 1


def adam_multipliers(decay_mean: float, decay_square: float, steps: int) -> Array:
    """Steps of Adam without correction under a constant gradient, as multiples of the rate."""
    t = np.arange(1, steps + 1)
    result: Array = (1 - decay_mean**t) / np.sqrt(1 - decay_square**t)
    return result


def test_e23_adam_without_correction() -> None:
    multipliers = adam_multipliers(0.9, 0.999, 1000)
    assert multipliers[0] == pytest.approx(3.162, abs=5e-4)
    assert int(multipliers.argmax()) + 1 == 12
    assert multipliers.max() == pytest.approx(6.57, abs=5e-3)
    assert multipliers[-1] > 1.25  # still a quarter too long after a thousand steps


def test_e23_adam_with_exchanged_rates() -> None:
    assert adam_multipliers(0.999, 0.9, 1)[0] == pytest.approx(0.0032, abs=5e-5)


def test_e28_a_sum_lengthens_the_step() -> None:
    """On f = w²/2 a rate of 0.5 is fine for the mean of 16 workers, and diverges for the sum."""
    mean = total = 1.0
    for _ in range(20):
        mean, total = mean - 0.5 * mean, total - 0.5 * 16 * total
    assert abs(mean) < 1e-5
    assert abs(total) > 1e5


def test_e38_hyperband_rungs() -> None:
    """R = 81 and factor 3: the journal's brackets, the older code's, and the sheet's."""
    brackets = range(4, -1, -1)
    assert [math.ceil(5 / (s + 1) * 3**s) for s in brackets] == [81, 34, 15, 8, 5]
    assert [5 // (s + 1) * 3**s for s in brackets] == [81, 27, 9, 6, 5]
    assert ladder(81, 5) == [81, 27, 9, 3, 1]
    assert [81 // (4 + 1) for _rung in range(5)] == [16] * 5  # as printed: nothing is dropped
    assert 3.0**-1 < 1  # E-37 as printed: "keep the top η^-k" is less than one configuration


def test_e38_a_float_logarithm() -> None:
    assert 3**5 == 243
    assert int(math.log(243) / math.log(3)) == 4


def softmax(logits: Array) -> Array:
    weights: Array = np.exp(logits - logits.max())
    weights /= weights.sum()
    return weights


def test_e43_the_soft_gradient_has_a_limit() -> None:
    student, teacher = np.array([5.0, 2.0, -1.0, 0.5]), np.array([3.0, 3.0, -2.0, 1.0])
    lengths = [
        t**2 * np.linalg.norm(softmax(student / t) - softmax(teacher / t)) / t
        for t in (1, 2, 4, 8, 16, 64)
    ]
    assert lengths == pytest.approx([0.635, 0.817, 0.773, 0.693, 0.644, 0.608], abs=5e-4)
    gap = (student - student.mean()) - (teacher - teacher.mean())
    assert np.linalg.norm(gap) / 4 == pytest.approx(0.596, abs=5e-4)


def test_e46_a_sum_squares_the_weight() -> None:
    sizes = np.array([900, 100])
    weights = sizes / sizes.sum()
    as_printed = weights * sizes
    assert as_printed / as_printed.sum() == pytest.approx([0.988, 0.012], abs=5e-4)
    assert weights == pytest.approx([0.9, 0.1])


def test_e49_where_the_spring_pulls() -> None:
    """The minimum of (λ/2)·(w - c)² is c; that of (λ/2)·(w·c)² is zero."""
    grid, center = np.linspace(-3, 3, 601), 2.0
    assert grid[np.argmin((grid - center) ** 2)] == pytest.approx(center)
    assert grid[np.argmin((grid * center) ** 2)] == pytest.approx(0, abs=1e-12)


# The tree of E-59: a coin at the root, then success with probability `eps` from either child.


def tree_value(step: float, eps: float, bonus: tuple[Array, Array, Array]) -> float:
    """Value after the update π' ∝ π·exp(step·bonus) at the root and at both children."""
    root, *children = (
        policy * np.exp(step * gain)
        for policy, gain in zip(
            (np.array([0.5, 0.5]), np.array([eps, 1 - eps]), np.array([eps, 1 - eps])),
            bonus,
            strict=True,
        )
    )
    root = root / root.sum()
    return float(sum(p * child[0] / child.sum() for p, child in zip(root, children, strict=True)))


def tree_advantages(eps: float) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
    """Advantages of the policy and of the prover: at the root, the first and second child."""
    own = (np.zeros(2), np.array([1 - eps, -eps]), np.array([1 - eps, -eps]))
    # The prover goes to the first child, succeeds there, and never succeeds from the second.
    prover = (np.array([0.0, -1.0]), np.array([0.0, -1.0]), np.array([1.0, 0.0]))
    return own, prover


@pytest.mark.parametrize("eps", [0.1, 0.01, 0.001])
def test_e59_an_equality(eps: float) -> None:
    own, prover = tree_advantages(eps)
    both = (own[0] + prover[0], own[1] + prover[1], own[2] + prover[2])
    h = 1e-5
    slope = (tree_value(h, eps, both) - tree_value(-h, eps, both)) / (2 * h)
    policies = (np.array([0.5, 0.5]), np.array([eps, 1 - eps]), np.array([eps, 1 - eps]))
    visits = (1.0, 0.5, 0.5)
    exact = sum(
        visit * float(pi @ (a * a + a * b))
        for visit, pi, a, b in zip(visits, policies, own, prover, strict=True)
    )
    assert slope == pytest.approx(exact, rel=1e-6)
    assert exact == pytest.approx(2 * eps * (1 - eps))
    # The printed bound at the root: the variance of the prover's advantage, whatever eps is.
    printed = float(policies[0] @ (prover[0] - policies[0] @ prover[0]) ** 2)
    assert printed == pytest.approx(0.25)
    assert exact < printed


def test_e58_own_advantage() -> None:
    """A bonus of λ times one's own advantage only makes the step 1 + λ times as long."""
    eps, weight = 0.1, 0.7
    own, _ = tree_advantages(eps)
    longer = (own[0] * (1 + weight), own[1] * (1 + weight), own[2] * (1 + weight))
    value = tree_value(0.3, eps, longer)
    assert value == pytest.approx(tree_value(0.3 * (1 + weight), eps, own))


# --- communication ---


def test_e29_sharding_spreads_the_load() -> None:
    workers, numbers = 8, 1000
    at_each_server = [2 * workers * numbers // servers for servers in (1, 2, 4, 8)]
    assert at_each_server == [16000, 8000, 4000, 2000]
    assert at_each_server[-1] == 2 * numbers  # as many servers as workers: what a worker carries


def test_e30_where_the_ring_begins_to_win() -> None:
    """Eight workers, 10 Gb/s, 50 µs, four bytes a number: where the straight lines cross."""
    workers, latency, per_number = 8, 50e-6, 4 * 8 / 10e9
    doublings = math.log2(workers)
    ring = (2 * (workers - 1), 2 * (workers - 1) / workers)  # rounds, gradients sent
    tree = (2 * doublings, 2 * doublings)
    doubling = (doublings, doublings)
    for other, crossing in ((tree, 29412), (doubling, 137500)):
        found = latency * (ring[0] - other[0]) / (per_number * (other[1] - ring[1]))
        assert found == pytest.approx(crossing, abs=0.5)


# --- the claim, or its condition ---


def first_depth(bits_per_word: int) -> int:
    """Return the first depth at which PLANET sends more: 10⁶ rows, 100 features, 32 bins."""
    rows, features, bins = 10**6, 100, 32
    for depth in range(1, 40):
        nodes = 2**depth - 1
        if nodes * bins * features > nodes + depth * rows / bits_per_word:
            return depth
    raise AssertionError("PLANET is never dearer")


def test_e03_yggdrasil_wins_from_depth_six() -> None:
    assert first_depth(bits_per_word=32) == 6
    assert first_depth(bits_per_word=1) == 12


def test_e15_more_workers_same_bias() -> None:
    """The rate of an exponential: the mean of 50 samples is a gamma variable over 50."""
    means = np.random.default_rng(0).gamma(50, size=10_000) / 50
    averaged, pooled = (1 / means).mean(), 1 / means.mean()
    # Ten thousand workers leave a standard error of 0.0015.
    assert averaged - 1 == pytest.approx(1 / 49, abs=0.006)
    assert pooled == pytest.approx(1, abs=0.006)


@pytest.mark.parametrize("steps", [1, 10])
def test_e17_a_nearly_worst_case(steps: int) -> None:
    """Gradient descent with L = 1 from distance 1; the bound is 1/(2t), this one 1/(4t + 2)."""
    threshold = 1 / (2 * steps + 1)
    w = 1.0
    for _ in range(steps):
        w -= float(np.clip(w, -threshold, threshold))
    value = threshold * abs(w) - threshold**2 / 2
    assert value == pytest.approx(1 / (4 * steps + 2))
    assert value <= 1 / (2 * steps) <= 3 * value


def test_e24_variance_is_too_small() -> None:
    """All batches of two from {-1, 1}: the biased variance has mean 1/2, the unbiased one 1."""
    batches = np.array([[a, b] for a in (-1, 1) for b in (-1, 1)])
    assert batches.var(axis=1).mean() == pytest.approx(1 / 2)
    assert batches.var(axis=1, ddof=1).mean() == pytest.approx(1)


def test_e26_memory_of_the_three_stages() -> None:
    parameters, workers = 7.5e9, 64
    per_parameter = [16, 4 + 12 / workers, 2 + 14 / workers, 16 / workers]
    gigabytes = [parameters * each / 1e9 for each in per_parameter]
    assert gigabytes == pytest.approx([120, 31.4, 16.6, 1.9], abs=0.05)


def test_e32_as_sharp_as_you_like() -> None:
    """A network v·relu(u·x) with loss (1 - uv)²/2: rescale u by c and v by 1/c."""
    sharpness = []
    for c in (1.0, 10.0, 100.0):
        u, v = c, 1 / c
        assert v * max(0.0, u * 3.0) == pytest.approx(3.0)  # the same function
        hessian = np.array([[v * v, 2 * u * v - 1], [2 * u * v - 1, u * u]])
        sharpness.append(np.linalg.eigvalsh(hessian).max())
    assert sharpness == pytest.approx([2, 100.01, 10000.0001])


def top_one(x: Array) -> Array:
    kept = np.zeros_like(x)
    kept[np.abs(x).argmax()] = x[np.abs(x).argmax()]
    return kept


def test_e33_memory_sends_the_signal() -> None:
    """Two workers pull the first coordinate apart with 10; the second holds all the progress."""
    ends = {}
    for remember in (False, True):
        w, memory = np.array([2.0, 1.0]), np.zeros((2, 2))
        for _ in range(2000):
            step = np.zeros(2)
            for i, pull in enumerate((10.0, -10.0)):
                wanted = 0.01 * np.array([pull, w[1]]) + memory[i]
                sent = top_one(wanted)
                memory[i] = remember * (wanted - sent)
                step += sent / 2
            w = w - step
        ends[remember] = w
    assert ends[False] == pytest.approx([2, 1])
    assert abs(ends[True][1]) < 0.2


def atomo_probabilities(atoms: Array, budget: float) -> Array:
    """Least variance for a budget: proportional to size, what is cut at 1 handed to the rest."""
    p = np.zeros_like(atoms)
    left = np.ones(len(atoms), dtype=bool)
    while True:
        p[left] = atoms[left] * (budget - (~left).sum()) / atoms[left].sum()
        if (p <= 1 + 1e-12).all():
            return p
        left &= p < 1
        p[~left] = 1


def test_e34_atomo_probabilities() -> None:
    atoms = np.array([10, 3, 2, 1, 1, 0.5])
    best = atomo_probabilities(atoms, 2)
    assert best == pytest.approx([1, 0.4, 0.267, 0.133, 0.133, 0.067], abs=5e-4)
    cut = np.minimum(1, 2 * atoms / atoms.sum())
    assert cut.sum() == pytest.approx(1.857, abs=5e-4)
    assert (atoms**2 / best).sum() == pytest.approx(156.25)
    assert (atoms**2 / cut).sum() == pytest.approx(165.625)
    assert np.prod(1 - atomo_probabilities(atoms, 1)) == pytest.approx(0.27, abs=5e-3)


def test_e36_one_axis_matters() -> None:
    """Mean distance from the best point, on the one axis of two that matters, with 9 trials."""
    best = np.linspace(0, 1, 20_001)[:, None]
    grid = np.abs(best - np.array([1, 3, 5]) / 6).min(axis=1).mean()
    assert grid == pytest.approx(0.083, abs=5e-4)
    rng = np.random.default_rng(0)
    trials, targets = rng.random((100_000, 9)), rng.random((100_000, 1))
    random = np.abs(trials - targets).min(axis=1).mean()
    assert random == pytest.approx(0.055, abs=1e-3)


def test_e39_equal_gaps_cost_more() -> None:
    """64 configurations with gaps of 0.1 and an envelope 1/t, whose inverse is 1/x."""
    needed = 1 / (0.1 / 2)
    halving = 2 * math.ceil(math.log2(64)) * max(i * (1 + needed) for i in range(2, 65))
    assert halving == pytest.approx(16128)
    assert 64 * needed == pytest.approx(1280)


def test_e42_exact_on_a_quadratic() -> None:
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(20, 6)), rng.normal(size=20), rng.normal(size=6)

    def loss(weights: Array) -> float:
        return float(((x @ weights - y) ** 2).sum() / 2)

    gradient, hessian = x.T @ (x @ w - y), x.T @ x
    for j in range(6):
        without = w.copy()
        without[j] = 0
        change = -gradient[j] * w[j] + hessian[j, j] * w[j] ** 2 / 2
        assert loss(without) - loss(w) == pytest.approx(change)


def test_e47_weights_sum_to_one() -> None:
    sizes, models, sample = np.full(10, 100), np.full(10, 3.0), [4]
    as_printed = (sizes[sample] / sizes.sum()) @ models[sample]
    right = (sizes[sample] / sizes[sample].sum()) @ models[sample]
    assert as_printed == pytest.approx(0.3)
    assert right == pytest.approx(3.0)


# Two clients for E-50: f_i = c_i·(w - a_i)²/2, equal weights. The optimum is 10/11.
CURVATURES, CENTERS = np.array([1.0, 10.0]), np.array([0.0, 1.0])


def test_e50_dissimilarity() -> None:
    w = 0.92
    gradients = CURVATURES * (w - CENTERS)
    dissimilarity = np.sqrt((gradients**2).mean()) / abs(gradients.mean())
    assert dissimilarity == pytest.approx(14.4, abs=0.05)
    assert w - 10 / 11 == pytest.approx(0.011, abs=5e-4)


@pytest.mark.parametrize(("spring", "end"), [(1, 0.645), (100, 0.902)])
def test_e50_settles_elsewhere(spring: float, end: float) -> None:
    w = 0.0
    for _ in range(5000):
        w = float(((CURVATURES * CENTERS + spring * w) / (CURVATURES + spring)).mean())
    assert w == pytest.approx(end, abs=5e-4)
    assert abs(w - 10 / 11) > 0.005


def test_e55_exponent_one_half() -> None:
    p, errors = 0.3, []
    rng = np.random.default_rng(0)
    for n in (100, 1000, 10_000):
        mean_error = np.abs(rng.binomial(n, p, size=200_000) / n - p).mean()
        assert mean_error == pytest.approx(math.sqrt(2 * p * (1 - p) / (math.pi * n)), rel=0.02)
        errors.append(mean_error)
    slope = np.polyfit(np.log([100, 1000, 10_000]), np.log(errors), 1)[0]
    assert slope == pytest.approx(-1 / 2, abs=0.01)


def test_e56_the_mean_hides_the_collapse() -> None:
    """Refit a Gaussian to 10 of its own samples, five times over, in 40 000 runs."""
    rng = np.random.default_rng(0)
    # The variance of ten samples is that of their source times a chi-squared of nine over nine.
    shrink = rng.chisquare(9, size=(5, 40_000)) / 9
    unbiased, likelihood = shrink.prod(axis=0), (0.9 * shrink).prod(axis=0)
    assert likelihood.mean() == pytest.approx((1 - 1 / 10) ** 5, rel=0.03)
    assert unbiased.mean() == pytest.approx(1, rel=0.03)
    assert np.median(unbiased) == pytest.approx(0.588, rel=0.03)
