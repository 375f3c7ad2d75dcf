"""Spectral ATOMO sends singular vectors, layer by layer, and is unbiased up to float32."""

import numpy as np
import pytest
import torch

from mlsys_lib.gradient_compression.atomo import atomo_probabilities, atomo_variance
from mlsys_lib.gradient_compression.spectral import SpectralAtomo, matrix_shapes, split_layers
from mlsys_lib.gradient_compression.wire import (
    Kind,
    MessageError,
    pack_float32,
    pack_uint32,
    seal,
)
from tests.gradient_compression.compressor_checks import (
    check_edges,
    check_hostile_bytes,
    check_refusals,
    check_unbiased,
    square,
)

RNG = np.random.default_rng(0)
SHAPES = [(4, 6), (4,), (3, 2, 2)]
K = 24 + 4 + 12


def singular_values(x: np.ndarray) -> list[np.ndarray]:
    """Of each layer, by torch."""
    layers = [x[:24].reshape(4, 6), x[24:28].reshape(4, 1), x[28:].reshape(3, 4)]
    return [torch.linalg.svdvals(torch.from_numpy(layer)).numpy() for layer in layers]


def test_with_the_whole_budget_nothing_is_lost() -> None:
    x = np.random.default_rng(1).normal(size=K)
    decoded = SpectralAtomo(SHAPES, budget=4).compress(x, RNG)
    np.testing.assert_allclose(decoded, x, atol=2e-6)


def test_what_is_sent_are_singular_vectors_over_their_probability() -> None:
    """Projected on torch's vectors, each atom is 0 or σ/p."""
    matrix = np.random.default_rng(2).normal(size=(5, 7))
    u, sigmas, v = (t.numpy() for t in torch.linalg.svd(torch.from_numpy(matrix), False))
    p, rng = atomo_probabilities(sigmas, 2), np.random.default_rng(3)
    for _ in range(20):
        decoded = SpectralAtomo([(5, 7)], 2).compress(matrix.ravel(), rng).reshape(5, 7)
        coefficients = u.T @ decoded @ v.T
        off = coefficients - np.diag(np.diag(coefficients))
        assert np.abs(off).max() < 1e-5
        ratios = np.diag(coefficients) * p / sigmas
        np.testing.assert_allclose(ratios, np.rint(ratios), atol=1e-5)


def test_unbiased_with_the_variance_of_the_singular_values() -> None:
    x, rng = np.random.default_rng(4).normal(size=K), np.random.default_rng(5)
    compressor = SpectralAtomo(SHAPES, 1.5)
    check_unbiased(compressor.compress, x, draws=1000)
    errors = np.array([square(compressor.compress(x, rng) - x) for _ in range(1000)])
    expected = sum(atomo_variance(s, min(1.5, len(s))) for s in singular_values(x))
    assert errors.mean() == pytest.approx(expected, abs=5 * errors.std() / 1000**0.5)
    assert expected <= compressor.error_bound(K) * square(x)


def test_equal_singular_values_reach_the_bound() -> None:
    x = np.eye(6).ravel()
    bound = SpectralAtomo([(6, 6)], 2).error_bound(36)
    assert atomo_variance(np.ones(6), 2) / square(x) == pytest.approx(bound, rel=1e-5)


def test_rank_one_costs_no_chance_but_its_entries_do() -> None:
    """Section G: a 32 × 32 matrix of rank 1, one atom, against 64 entries of as many bytes."""
    rng = np.random.default_rng(2)
    matrix = np.outer(rng.normal(size=32), rng.normal(size=32))
    x, compressor = matrix.ravel(), SpectralAtomo([(32, 32)], 1)
    for seed in range(30):
        decoded = compressor.compress(x, np.random.default_rng(seed))
        np.testing.assert_allclose(decoded, x, atol=1e-5)
    assert atomo_variance(np.linalg.svd(matrix)[1], 1) < 1e-12 * square(x)
    assert atomo_variance(x, 64) / square(x) == pytest.approx(5.42, abs=0.1)


def test_a_bias_is_one_atom_and_a_convolution_is_folded() -> None:
    assert matrix_shapes([(10, 784), (10,), (8, 3, 3, 3)]) == ((10, 784), (10, 1), (8, 27))
    x = np.random.default_rng(6).normal(size=K)
    decoded = SpectralAtomo(SHAPES, 1).compress(x, RNG)
    np.testing.assert_allclose(decoded[24:28], x[24:28], atol=1e-6)


def test_bytes_are_those_of_the_atoms() -> None:
    x = np.random.default_rng(7).normal(size=K)
    message = SpectralAtomo(SHAPES, 4).encode(x, RNG)
    assert len(message) == 5 + (4 + 4 * 4 * (1 + 10)) + (4 + 4 * 6) + (4 + 3 * 4 * (1 + 7))


def test_edges_and_refusals() -> None:
    check_edges(SpectralAtomo([(3, 3)], 1), (9,))
    check_edges(SpectralAtomo([(1,)], 1), (1,))
    check_edges(SpectralAtomo([(1,)], 0.5), (1,))
    check_refusals(SpectralAtomo([(2, 2)], 1), 4)
    check_hostile_bytes(SpectralAtomo([(2, 3), (2,)], 1.5), np.arange(8.0))


@pytest.mark.parametrize(("shapes", "budget", "message"), [
    ([], 1, r"shapes must be one or more shapes of layers, got \[\]"),
    ([()], 1, r"shapes must be one or more shapes of layers, got \[\(\)\]"),
    ([(2, 0)], 1, r"shapes\[0\] must be an integer >= 1, got 0"),
    ([(2, 3)], 0, "budget must be finite and > 0, got 0"),
    ([(2, 3), (5,)], 2.5, r"budget must be in \(0, 2\], the number of atoms, got 2.5"),
])  # fmt: skip
def test_layers_and_budgets_that_are_none_are_refused(shapes: list, budget: float, message: str):
    with pytest.raises(ValueError, match=message):
        SpectralAtomo(shapes, budget)


def test_a_gradient_or_message_of_other_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="x must have the 6 entries of shapes, got 7"):
        SpectralAtomo([(2, 3)], 1).encode(np.ones(7), RNG)
    message = SpectralAtomo([(3, 3)], 1).encode(np.ones(9), RNG)
    with pytest.raises(MessageError, match=r"must be of layers \(\(2, 3\),\), says 9"):
        SpectralAtomo([(2, 3)], 1).decode(message)


def test_more_atoms_than_a_layer_has_are_refused() -> None:
    """Though all their bytes are there."""
    atoms = np.concatenate([pack_uint32(3), pack_float32(np.ones(3 * 6))])
    with pytest.raises(MessageError, match="message says 3 atoms of a 2 × 3 layer"):
        SpectralAtomo([(2, 3)], 1).decode(seal(Kind.SPECTRAL_ATOMO, 6, atoms))


def test_layers_are_cut_in_their_order() -> None:
    layers = split_layers(np.arange(8.0), [(2, 3), (2, 1)])
    assert [layer.tolist() for layer in layers] == [[[0, 1, 2], [3, 4, 5]], [[6], [7]]]


def test_planted_version_that_keeps_the_largest_atoms_is_biased() -> None:
    """Truncated SVD: never any of the small ones."""

    def wrong(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        u, sigmas, v = np.linalg.svd(x.reshape(4, 4))
        return ((u[:, :2] * sigmas[:2]) @ v[:2]).ravel()

    with pytest.raises(AssertionError):
        check_unbiased(wrong, np.random.default_rng(8).normal(size=16), draws=50)


def test_planted_version_without_division_by_p_is_biased() -> None:
    def wrong(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        u, sigmas, v = np.linalg.svd(x.reshape(4, 4))
        sent = rng.random(4) < atomo_probabilities(sigmas, 2)
        return ((u * (sigmas * sent)) @ v).ravel()

    with pytest.raises(AssertionError):
        check_unbiased(wrong, np.random.default_rng(8).normal(size=16))
