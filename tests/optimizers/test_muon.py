"""Muon: singular values near one, singular vectors kept. Equality with torch is in the database."""

from typing import Any

import numpy as np
import pytest

from mlsys_lib.optimizers import Muon, newton_schulz
from mlsys_lib.optimizers.muon import COEFFICIENTS
from tests.optimizers.problems import arrays

SHAPES = [(8, 8), (16, 4), (4, 16), (1, 5), (5, 1)]


def check_singular_values(orthogonalize: Any) -> None:
    """All between 0.65 and 1.25 when none was below a hundredth of the norm."""
    for shape in SHAPES:
        for seed in range(20):
            u, _, vt = np.linalg.svd(arrays([shape], seed)[0], full_matrices=False)
            values = np.geomspace(1.0, 30.0, min(shape))
            found = np.linalg.svd(orthogonalize((u * values) @ vt), compute_uv=False)
            assert 0.65 < found.min() and found.max() < 1.25, (shape, found)


def test_singular_values_come_near_one() -> None:
    check_singular_values(newton_schulz)


def test_singular_vectors_are_kept() -> None:
    """On each singular value the iteration is the polynomial a s + b s³ + c s⁵."""
    u, _, vt = np.linalg.svd(arrays([(6, 4)], 0)[0], full_matrices=False)
    values = np.array([3.0, 2.0, 0.5, 0.01])
    expected = values / np.linalg.norm(values)
    for _ in range(5):
        a, b, c = COEFFICIENTS
        expected = a * expected + b * expected**3 + c * expected**5
    np.testing.assert_allclose(newton_schulz((u * values) @ vt), (u * expected) @ vt, atol=1e-12)


def test_transposed_matrices_give_transposed_results() -> None:
    (g,) = arrays([(7, 3)], 1)
    np.testing.assert_allclose(newton_schulz(g.T), newton_schulz(g).T, rtol=1e-12)


def test_length_of_the_gradient_does_not_matter() -> None:
    (g,) = arrays([(7, 3)], 1)
    np.testing.assert_allclose(newton_schulz(1e6 * g), newton_schulz(g), rtol=1e-10)


def test_zeros_stay_zeros_and_the_input_stays_too() -> None:
    assert not newton_schulz(np.zeros((3, 2))).any()
    (g,) = arrays([(3, 2)], 1)
    before = g.copy()
    newton_schulz(g)
    np.testing.assert_array_equal(g, before)


def test_single_precision_stays() -> None:
    assert newton_schulz(np.ones((3, 2), np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("scale", "shape", "factor"),
    [
        ("original", (16, 4), 2.0),
        ("original", (4, 16), 1.0),
        ("match_rms_adamw", (16, 4), 0.8),
        ("match_rms_adamw", (4, 16), 0.8),
    ],
)
def test_scale_of_a_step(scale: str, shape: tuple[int, int], factor: float) -> None:
    (g,), w = arrays([shape], 0), np.zeros(shape)
    Muon([w], learning_rate=1.0, scale=scale).step([g])
    np.testing.assert_allclose(w, -factor * newton_schulz(g), rtol=1e-9)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_matrices_without_elements(shape: tuple[int, int]) -> None:
    """Rows over columns would be 0 / 0."""
    Muon([np.empty(shape)]).step([np.empty(shape)])
