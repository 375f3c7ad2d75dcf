"""What was sent, and what is remembered, is what should have been sent."""

import numpy as np
import pytest

from mlsys_lib.gradient_compression.memory import ErrorFeedback, Memory, NoMemory
from mlsys_lib.gradient_compression.topk import TopK


def check_law(memory: Memory, steps: int = 60) -> None:
    """Σ sent + e = Σ η g, at every moment, up to rounding."""
    rng, total, sent_total = np.random.default_rng(0), np.zeros(20), np.zeros(20)
    for _ in range(steps):
        update = 0.1 * rng.normal(size=20)
        before = update.copy()
        wanted = memory.add(update)
        sent = TopK(2).compress(wanted, rng)
        memory.keep(wanted, sent)
        np.testing.assert_array_equal(update, before)
        total, sent_total = total + update, sent_total + sent
        left = memory.add(np.zeros(20))
        np.testing.assert_allclose(sent_total + left, total, atol=1e-13)


def test_what_was_sent_and_the_memory_are_all_that_should_have_been_sent() -> None:
    check_law(ErrorFeedback())


def test_without_memory_what_is_not_sent_is_lost() -> None:
    with pytest.raises(AssertionError):
        check_law(NoMemory())


def test_the_recursion_is_that_of_the_paper() -> None:
    """p = η g + e, Δ = C(p), e = p - Δ, step by step."""
    rng, memory, e = np.random.default_rng(1), ErrorFeedback(), np.zeros(5)
    for _ in range(20):
        update = rng.normal(size=5)
        p = update + e
        np.testing.assert_array_equal(memory.add(update), p)
        delta = np.where(np.abs(p) == np.abs(p).max(), p, 0.0)
        e = p - delta
        memory.keep(p, delta)
        np.testing.assert_array_equal(memory.memory, e)


def test_the_memory_stays_bounded() -> None:
    """Karimireddy et al., lemma 3: E‖e‖² <= 4 (1 - δ) / δ² · η² G², with 1 - δ = Θ."""
    rng, memory, compressor = np.random.default_rng(2), ErrorFeedback(), TopK(2)
    theta, largest = compressor.error_bound(20), 0.0
    for _ in range(500):
        update = rng.normal(size=20)
        update /= np.linalg.norm(update)
        wanted = memory.add(update)
        memory.keep(wanted, compressor.compress(wanted, rng))
        assert memory.memory is not None
        largest = max(largest, float(memory.memory @ memory.memory))
    assert 1 < largest <= 4 * theta / (1 - theta) ** 2


def test_a_fresh_memory_is_zero_and_float16_is_kept_in_float64() -> None:
    for memory in (ErrorFeedback(), NoMemory()):
        update = np.ones(3, np.float16)
        wanted = memory.add(update)
        assert wanted.dtype == np.float64 and not np.shares_memory(wanted, update)
        memory.keep(wanted, np.zeros(3))
    assert NoMemory().add(np.ones(1)).tolist() == [1.0]


def test_shapes_that_differ_are_refused_and_leave_the_memory_alone() -> None:
    memory = ErrorFeedback()
    memory.keep(np.ones(3), np.zeros(3))
    with pytest.raises(ValueError, match=r"the shape of the memory \(3,\), got \(2,\)"):
        memory.add(np.ones(2))
    with pytest.raises(ValueError, match=r"sent must have the shape \(3,\), got \(1,\)"):
        memory.keep(np.ones(3), np.ones(1))
    np.testing.assert_array_equal(memory.memory, np.ones(3))


class AddedTwice(ErrorFeedback):
    """A wrong version: e goes into p, and e is what is left of p *and* the old e."""

    def keep(self, wanted: np.ndarray, sent: np.ndarray) -> None:
        before = 0.0 if self.memory is None else self.memory
        self.memory = before + (wanted - sent)


class OfTheGradient(ErrorFeedback):
    """A wrong version: e is what is left of this step's gradient alone; the older e is dropped."""

    def add(self, update: np.ndarray) -> np.ndarray:
        self.update = np.array(update)
        return super().add(update)

    def keep(self, wanted: np.ndarray, sent: np.ndarray) -> None:
        self.memory = self.update - sent


class SignSwapped(ErrorFeedback):
    """A wrong version: e = Δ - p."""

    def keep(self, wanted: np.ndarray, sent: np.ndarray) -> None:
        self.memory = sent - wanted


@pytest.mark.parametrize("wrong", [AddedTwice, OfTheGradient, SignSwapped])
def test_planted_memory_breaks_the_law(wrong: type[ErrorFeedback]) -> None:
    with pytest.raises(AssertionError):
        check_law(wrong())
