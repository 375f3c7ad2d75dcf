"""Shampoo: written out again with matrix powers, and what it becomes in simple cases."""

from typing import Any

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power as complex_power

from mlsys_lib.optimizers import Shampoo, inverse_root
from tests.optimizers.problems import Arrays, arrays, assert_equal

EPS = 0.1


def fractional_matrix_power(matrix: np.ndarray, power: float) -> np.ndarray:
    """Return SciPy's power, by a Schur form: its type is complex, its values are real."""
    return np.real(complex_power(matrix, power))


def shampoo_of_the_paper(w: np.ndarray, steps: list[Arrays], rate: float) -> np.ndarray:
    """Algorithm 1 on a matrix."""
    w, left, right = w.copy(), EPS * np.eye(len(w)), EPS * np.eye(w.shape[1])
    for (g,) in steps:
        left, right = left + g @ g.T, right + g.T @ g
        w = w - rate * fractional_matrix_power(left, -0.25) @ g @ fractional_matrix_power(
            right, -0.25
        )
    return w


def check_paper(make: Any) -> None:
    """Tall, wide and square matrices, five steps."""
    for shape in [(4, 3), (2, 5), (3, 3), (1, 4)]:
        steps = [arrays([shape], seed) for seed in range(5)]
        (w,) = arrays([shape], 9)
        expected = shampoo_of_the_paper(w, steps, 0.3)
        optimizer = make([w], learning_rate=0.3, eps=EPS)
        for step in steps:
            optimizer.step(step)
        assert_equal([w], [expected], 1e-10)


def test_paper() -> None:
    check_paper(Shampoo)


def check_one_axis_is_adagrad_with_the_full_matrix(make: Any) -> None:
    """w - η (ε I + Σ g gᵀ)^(-1/2) g, the first form of AdaGrad."""
    (w,), steps = arrays([(5,)], 0), [arrays([(5,)], seed) for seed in range(1, 6)]
    expected, total = w.copy(), EPS * np.eye(5)
    optimizer = make([w], learning_rate=0.3, eps=EPS)
    for (g,) in steps:
        total = total + np.outer(g, g)
        expected = expected - 0.3 * fractional_matrix_power(total, -0.5) @ g
        optimizer.step([g])
    assert_equal([w], [expected], 1e-10)


def test_one_axis_is_adagrad_with_the_full_matrix() -> None:
    check_one_axis_is_adagrad_with_the_full_matrix(Shampoo)


def test_three_axes() -> None:
    """Algorithm 2: each axis to the power -1/6, written with einsum."""
    (w,), steps = arrays([(2, 3, 4)], 0), [arrays([(2, 3, 4)], seed) for seed in range(1, 4)]
    expected = w.copy()
    matrices = [EPS * np.eye(n) for n in w.shape]
    optimizer = Shampoo([w], learning_rate=0.3, eps=EPS)
    for (g,) in steps:
        matrices[0] = matrices[0] + np.einsum("ajk,bjk->ab", g, g)
        matrices[1] = matrices[1] + np.einsum("iak,ibk->ab", g, g)
        matrices[2] = matrices[2] + np.einsum("ija,ijb->ab", g, g)
        roots = [fractional_matrix_power(m, -1 / 6) for m in matrices]
        expected = expected - 0.3 * np.einsum("ia,jb,kc,abc->ijk", *roots, g)
        optimizer.step([g])
    assert_equal([w], [expected], 1e-10)


def test_statistics_that_stay_the_identity_make_plain_descent() -> None:
    """With ε I far above all g gᵀ the step is η ε^(-1/2) g for a matrix."""
    (w,), (g,) = arrays([(3, 4)], 0), arrays([(3, 4)], 1)
    expected = w - 0.3 * g / np.sqrt(1e12)
    Shampoo([w], learning_rate=0.3, eps=1e12).step([g])
    np.testing.assert_allclose(w, expected, rtol=1e-9)


def test_first_step_has_singular_values_one() -> None:
    """L^(-1/4) G R^(-1/4) = U Vᵀ when L = G Gᵀ and R = Gᵀ G."""
    (g,) = arrays([(3, 3)], 4)
    w = np.zeros((3, 3))
    Shampoo([w], learning_rate=1.0, eps=1e-12).step([g])
    u, _, vt = np.linalg.svd(g)
    np.testing.assert_allclose(w, -u @ vt, atol=1e-5)


def test_step_turns_with_the_rows_and_columns() -> None:
    """Rotating a matrix's rows and columns rotates the steps: coordinates mean nothing."""
    (w,), steps = arrays([(3, 3)], 0), [arrays([(3, 3)], seed) for seed in range(1, 4)]
    q = np.linalg.qr(arrays([(3, 3)], 7)[0])[0]
    turned = np.ascontiguousarray(q @ w)
    one, other = Shampoo([w]), Shampoo([turned])
    for (g,) in steps:
        one.step([g])
        other.step([q @ g])
    np.testing.assert_allclose(turned, q @ w, rtol=1e-8, atol=1e-10)


def test_arrays_without_axes_and_without_elements() -> None:
    w, empty = np.array(1.0), np.empty((0, 3))
    Shampoo([w, empty], learning_rate=0.1, eps=1e-12).step([np.array(-3.0), empty.copy()])
    assert w == pytest.approx(1.1)


@pytest.mark.parametrize("order", [2, 4, 6])
def test_inverse_root(order: int) -> None:
    (a,) = arrays([(4, 4)], 0)
    matrix = a @ a.T + 0.01 * np.eye(4)
    root = inverse_root(matrix, order)
    np.testing.assert_allclose(np.linalg.matrix_power(root, order) @ matrix, np.eye(4), atol=1e-9)


def test_inverse_root_keeps_single_precision_finite() -> None:
    """A matrix of rank one has eigenvalues that rounding makes negative."""
    g = np.random.default_rng(0).normal(size=(50, 1)).astype(np.float32) * 100
    root = inverse_root(g @ g.T, 4)
    assert root.dtype == np.float32 and np.isfinite(root).all()


def test_weight_decay_is_a_part_of_the_gradient() -> None:
    (w,), (g,) = arrays([(3, 4)], 0), arrays([(3, 4)], 1)
    other, gradient = w.copy(), g + 0.7 * w
    Shampoo([w], weight_decay=0.7).step([g])
    Shampoo([other]).step([gradient])
    np.testing.assert_allclose(w, other, rtol=1e-12)
