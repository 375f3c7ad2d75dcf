"""Signs of numbers: one bit each on the wire, and what most ranks say.

Bernstein, Zhao, Azizzadenesheli & Anandkumar, "signSGD with majority vote is communication
efficient and fault tolerant", ICLR 2019, arXiv:1810.05291. That 0, and a tie, count as +1 is ours.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.grading.expect import expect_equal, show

Answer = Callable[..., Any]
NEW_ARRAYS = "Return new arrays: the gradient belongs to the caller."


def signs_of(x: np.ndarray) -> np.ndarray:
    """Return +1 or -1 for each number, float64; 0 is +1."""
    return np.array([1.0 if number >= 0 else -1.0 for number in x], np.float64)


def packed(x: np.ndarray) -> np.ndarray:
    """Return the signs as bits, eight a byte, the first in a byte's highest bit; 1 is +1."""
    data = [0] * num_bytes(len(x))
    for i, number in enumerate(x):
        if number >= 0:
            data[i // 8] += 128 >> i % 8
    return np.array(data, np.uint8)


def num_bytes(num_elements: int) -> int:
    """Return how many bytes that many signs take."""
    return -(-num_elements // 8)


def majority(gradients: Sequence[np.ndarray]) -> np.ndarray:
    """Return what most ranks' signs say, number by number; a tie is +1."""
    return signs_of(np.sum([signs_of(gradient) for gradient in gradients], axis=0))


def draw_gradients(rng: np.random.Generator, num_ranks: int, num_elements: int) -> list[np.ndarray]:
    """Draw gradients of small whole numbers and zeros of both signs; the first rank's are large."""
    shape = num_ranks, num_elements
    gradients = rng.integers(-2, 3, shape) * rng.choice([-1.0, 1.0], shape)
    gradients[0] *= 100.0
    return list(gradients)


def expect_packed(
    pack_signs: Answer,
    unpack_signs: Answer,
    x: np.ndarray,
    idea: str = "Eight signs to a byte, the first in its highest bit; the last byte is filled up "
    "with zeros.",
) -> None:
    """Hold bytes to `packed`, and what is read from the right bytes to `signs_of`."""
    handed, data = x.copy(), packed(x)
    given = f"x = {show(x)}"
    expect_equal(
        pack_signs(handed),
        data,
        given=f"{given}; what pack_signs returns, bits {_bits(data)}",
        hint=f"{idea} A byte is a number of the dtype uint8.",
    )
    expect_equal(handed, x, given=f"{given}; x after the call", hint=NEW_ARRAYS)
    expect_equal(
        unpack_signs(data.copy(), len(x)),
        signs_of(x),
        given=f"data = {show(data)}, bits {_bits(data)}; k = {len(x)}; what unpack_signs returns",
        hint=f"{idea} Of the bits take the first k, and make float64 of them: 1.0 and -1.0. A "
        "uint8 knows no numbers below 0: 0 - 1 is 255 in it.",
    )


def _bits(data: np.ndarray) -> str:
    return " ".join(f"{byte:08b}" for byte in data[:4].tolist()) + " …" * (len(data) > 4)
