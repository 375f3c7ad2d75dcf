"""Compressors that lead training astray, as runs of a few lines, and the memory that mends them.

Three failures of descent: top-1 of two workers that pull apart (`tug_of_war`); the sign of a skewed
noise (`skewed_noise`: counterexample 1 of Karimireddy et al., "Error feedback fixes SignSGD and
other gradient compression schemes", ICML 2019, arXiv:1901.09847, without its interval); a quantizer
that rounds to the nearest level (`rounded_descent`). Two departures of the sampler that ATOMO's
authors released (github.com/hwang595/ATOMO, codings/svd.py) from their paper's algorithm:
`released_probabilities` and `resampling_bias`.
"""

import numpy as np

from mlsys_lib.core.validate import integer, one_of, positive, positive_int
from mlsys_lib.gradient_compression.memory import Memory

PULL = 10.0
"""How hard the workers of `tug_of_war` pull at coordinate 0, one up and one down."""


def tug_of_war(
    memories: tuple[Memory, Memory], num_steps: int = 300, learning_rate: float = 0.05
) -> np.ndarray:
    """Let two workers each send only the largest entry of their gradient (top-1).

    Worker 0 has f_0(w) = 10 w_0 + w_1²/2, worker 1 has f_1(w) = -10 w_0 + w_1²/2. Their mean is
    w_1²/2. Yet both send the ±10 of coordinate 0, which cancel, and w_1 never moves.

    Parameters
    ----------
    memories : two Memory
        One for each worker, fresh.

    Returns
    -------
    ndarray of shape (num_steps + 1, 2)
        w before the first step and after each.

    Examples
    --------
    >>> from mlsys_lib.gradient_compression.memory import ErrorFeedback, NoMemory
    >>> tug_of_war((NoMemory(), NoMemory()))[-1]
    array([2., 1.])
    >>> tug_of_war((ErrorFeedback(), ErrorFeedback()))[-1].round(3)
    array([ 2.   , -0.065])
    """
    num_steps = positive_int("num_steps", num_steps)
    learning_rate = positive("learning_rate", learning_rate)
    history = [np.array([2.0, 1.0])]
    for _ in range(num_steps):
        w, total = history[-1], np.zeros(2)
        for memory, pull in zip(memories, (PULL, -PULL), strict=True):
            wanted = memory.add(learning_rate * np.array([pull, w[1]]))
            sent = np.where(np.arange(2) == np.argmax(np.abs(wanted)), wanted, 0.0)
            memory.keep(wanted, sent)
            total += sent
        history.append(w - total / 2)
    return np.array(history)


def skewed_noise(
    memory: Memory, num_steps: int = 1000, learning_rate: float = 0.01, seed: int = 0
) -> np.ndarray:
    """Descend f(w) = w/4 by one bit a step, w -= η · sign, where the gradient is rarely 4, else -1.

    It is 4 with probability 1/4. So its mean is 1/4, and f falls along it; but the mean of its sign
    is -1/2, and w climbs. With memory the sign is that of η g + e.

    Returns
    -------
    ndarray of shape (num_steps + 1,)
        w, from 0.

    Examples
    --------
    >>> from mlsys_lib.gradient_compression.memory import ErrorFeedback, NoMemory
    >>> print(skewed_noise(NoMemory())[-1].round(2), skewed_noise(ErrorFeedback())[-1].round(2))
    5.38 -1.52
    """
    num_steps = positive_int("num_steps", num_steps)
    learning_rate = positive("learning_rate", learning_rate)
    rng = np.random.default_rng(integer("seed", seed, 0))
    history = [0.0]
    for gradient in np.where(rng.random(num_steps) < 0.25, 4.0, -1.0):
        wanted = memory.add(learning_rate * np.array([gradient]))
        sent = learning_rate * np.where(wanted < 0, -1.0, 1.0)
        memory.keep(wanted, sent)
        history.append(history[-1] - float(sent[0]))
    return np.array(history)


def rounded_descent(
    rounding: str, memory: Memory, num_steps: int = 300, learning_rate: float = 0.1, seed: int = 0
) -> np.ndarray:
    """Descend f(w) = ‖w‖²/2 by gradients that are rounded to whole numbers.

    To the nearest, a gradient below 1/2 is none: w stops there. Rounded up or down by chance, up
    with the probability of the fraction, it is right in the mean, and w goes on. So it does with a
    memory, whatever the rounding.

    Parameters
    ----------
    rounding : {"nearest", "by chance"}
    memory : Memory
        Fresh. What is rounded is p / η, so that with no memory it is the gradient.

    Returns
    -------
    ndarray of shape (num_steps + 1, 32)
        w, from 32 numbers between -3 and 3.

    Examples
    --------
    >>> from mlsys_lib.gradient_compression.memory import ErrorFeedback, NoMemory
    >>> for rounding, memory in [
    ...     ("nearest", NoMemory()), ("by chance", NoMemory()), ("nearest", ErrorFeedback())
    ... ]:
    ...     print(rounding, np.abs(rounded_descent(rounding, memory)[-1]).mean().round(2))
    nearest 0.42
    by chance 0.03
    nearest 0.04
    """
    one_of("rounding", rounding, ("nearest", "by chance"))
    num_steps = positive_int("num_steps", num_steps)
    learning_rate = positive("learning_rate", learning_rate)
    rng = np.random.default_rng(integer("seed", seed, 0))
    history = [np.linspace(-3, 3, 32)]
    for _ in range(num_steps):
        wanted = memory.add(learning_rate * history[-1])
        if rounding == "nearest":
            levels = np.rint(wanted / learning_rate)
        else:
            levels = np.floor(wanted / learning_rate + rng.random(32))
        memory.keep(wanted, learning_rate * levels)
        history.append(history[-1] - learning_rate * levels)
    return np.array(history)


def released_probabilities(magnitudes: np.ndarray, budget: float) -> np.ndarray:
    """Return min(1, budget · λ_i / Σ λ) of sizes λ: what is cut off at 1 goes to no other atom.

    Unbiased, but fewer atoms are sent than the budget allows, and the variance is larger.

    Examples
    --------
    >>> released_probabilities(np.array([10, 3, 2, 1, 1, 0.5]), 2).round(3)
    array([1.   , 0.343, 0.229, 0.114, 0.114, 0.057])
    """
    magnitudes = np.abs(np.asarray(magnitudes, np.float64))
    shares = positive("budget", budget) * magnitudes / magnitudes.sum()
    return np.asarray(np.minimum(1.0, shares))


def resampling_bias(probabilities: np.ndarray) -> float:
    """Return by what an estimate is too large if it is drawn again until some atom is sent.

    Given that not all atoms stay away, which has probability P, each comes up with p_i / (1 - P).
    Dividing by p_i then leaves a factor 1 / (1 - P), with P = Π (1 - p_i).

    Examples
    --------
    >>> probabilities = released_probabilities(np.array([10, 3, 2, 1, 1, 0.5]), 1)
    >>> round(1 - 1 / resampling_bias(probabilities), 4)  # P
    0.2716
    """
    nothing = float(np.prod(1 - np.asarray(probabilities, np.float64)))
    if nothing == 1:
        raise ValueError("probabilities must not all be 0")
    return 1 / (1 - nothing)
