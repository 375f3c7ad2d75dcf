"""Measure gradient compression: `python -m benchmarks.compression`.

Figures go to benchmarks/results/compression.json. One thread each, in turns, medians of ratios, on
a million normal float32.

GRACE (https://github.com/sands-lab/grace) is no package on an index. Clone it anywhere and let the
variable GRACE name the folder that holds `grace_dl`; without it the comparison is left out. Both
sides do the same work up to the message: GRACE leaves tensors there (a byte for each number of
QSGD, of TernGrad and of the signs, twelve for an entry of top-k), ours packs them. GRACE's QSGD has
a norm for each 128 numbers (as of commit 0b4776f), so ours has here. What arrives is compared too.
"""

import importlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.comm.__main__ import machine
from benchmarks.report import report
from mlsys_lib.gradient_compression import QSGD, Compressor, Sign, TernGrad, TopK, Uncompressed
from mlsys_lib.gradient_compression.cost import (
    qsgd_dense_bits,
    qsgd_elias_bits,
    qsgd_elias_bytes,
)
from mlsys_lib.gradient_compression.qsgd import bucket_norms

ELEMENTS, REPEAT, WARM = 1_000_000, 25, 2
LEVELS, BUCKET, KEPT = 127, 128, 0.01
GOALS = {
    "qsgd_to_grace_ratio": 0.3,
    "top_k_to_grace_ratio": 0.5,
    "top_k_largest_difference": 0.0,
    "sign_to_dense_bytes_ratio": 0.03126,
    "top_k_to_dense_bytes_ratio": 0.02,
    "qsgd_elias_bytes_minus_formula": 0.0,
    "qsgd_elias_to_theorem_bits_ratio": 1.0,
}
GRACE = os.environ.get("GRACE")


@dataclass(frozen=True)
class Pair:
    """One of ours, and GRACE's: its module, its class and what that is made with."""

    ours: Compressor
    module: str
    name: str
    settings: tuple[Any, ...] = ()

    def theirs(self) -> Any:
        """Return GRACE's compressor."""
        module = importlib.import_module(f"grace_dl.dist.compressor.{self.module}")
        return getattr(module, self.name)(*self.settings)


PAIRS = {
    "qsgd": Pair(QSGD(LEVELS, bucket_size=BUCKET), "qsgd", "QSGDCompressor", (LEVELS, BUCKET)),
    "top_k": Pair(TopK(round(KEPT * ELEMENTS)), "topk", "TopKCompressor", (KEPT,)),
    "terngrad": Pair(TernGrad(clip=2.5), "terngrad", "TernGradCompressor"),
    "sign": Pair(Sign(), "efsignsgd", "EFSignSGDCompressor", (0.1,)),
}


def gradient() -> np.ndarray:
    """Return a million normal float32."""
    return np.random.default_rng(0).standard_normal(ELEMENTS, dtype=np.float32)


def seconds_in_turns(functions: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Return the seconds of several functions that take turns; the first turns warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(REPEAT + WARM):
        for name, function in functions.items():
            start_s = time.perf_counter()
            function()
            if turn >= WARM:
                seconds[name].append(time.perf_counter() - start_s)
    return seconds


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the turns' ratios."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def measure_pair(name: str, pair: Pair) -> dict[str, float]:
    """Return seconds of both, their bytes, and how far what arrives is from the gradient."""
    x, rng, theirs = gradient(), np.random.default_rng(1), pair.theirs()
    tensor = torch.from_numpy(x)
    message, (sent, context) = pair.ours.encode(x, rng), theirs.compress(tensor, name)
    seconds = seconds_in_turns(
        {
            "ours": lambda: pair.ours.encode(x, rng),
            "grace": lambda: theirs.compress(tensor, name),
            "ours_back": lambda: pair.ours.decode(message),
            "grace_back": lambda: theirs.decompress(sent, context),
        }
    )
    sent_bytes = sum(part.numel() * part.element_size() for part in sent)
    arrived = theirs.decompress(sent, context).numpy().astype(np.float64)
    error, grace_error = (np.sum((y - x) ** 2) for y in (pair.ours.decode(message), arrived))
    return {
        f"{name}_s": median(seconds["ours"]),
        f"grace_{name}_s": median(seconds["grace"]),
        f"{name}_to_grace_ratio": ratio(seconds["ours"], seconds["grace"]),
        f"{name}_decoding_to_grace_ratio": ratio(seconds["ours_back"], seconds["grace_back"]),
        f"{name}_bytes_to_grace_ratio": len(message) / sent_bytes,
        f"{name}_error_to_grace_ratio": float(error / grace_error),
    }


def measure_same_entries() -> dict[str, float]:
    """Return the largest difference between both top-k, which leave nothing to chance."""
    x, pair = gradient(), PAIRS["top_k"]
    theirs = pair.theirs()
    arrived = theirs.decompress(*theirs.compress(torch.from_numpy(x), "")).numpy()
    difference = pair.ours.compress(x, np.random.default_rng(1)) - arrived
    return {"top_k_largest_difference": float(np.abs(difference).max())}


def measure_bytes() -> dict[str, float]:
    """Return lengths of messages beside that of a dense one."""
    x, rng = gradient(), np.random.default_rng(1)
    dense = len(Uncompressed().encode(x, rng))
    return {
        f"{name}_to_dense_bytes_ratio": len(PAIRS[name].ours.encode(x, rng)) / dense
        for name in PAIRS
    }


def measure_elias() -> dict[str, float]:
    """Return Elias's code beside what its levels should take, and beside the paper's two bounds."""
    x, rng = gradient(), np.random.default_rng(1)
    compressor = QSGD(1, "elias")
    message = compressor.encode(x, rng)
    norm = bucket_norms(np.abs(x.astype(np.float64)))[0]
    levels = np.round(np.abs(compressor.decode(message)) / norm).astype(np.int64)
    dense = QSGD(round(ELEMENTS**0.5), "elias_dense").encode(x, rng)
    return {
        "qsgd_elias_bytes": len(message),
        "qsgd_elias_bytes_minus_formula": len(message) - qsgd_elias_bytes(levels),
        "qsgd_elias_to_theorem_bits_ratio": 8 * len(message) / qsgd_elias_bits(ELEMENTS, 1),
        "qsgd_elias_dense_bits_a_number": 8 * len(dense) / ELEMENTS,
        "qsgd_elias_dense_to_corollary_ratio": 8 * len(dense) / qsgd_dense_bits(ELEMENTS),
    }


def measure_grace() -> dict[str, float]:
    """Return the comparison with GRACE; nothing, and a word about it, where it is not there."""
    if GRACE is None:
        print("GRACE is not set: the comparison with GRACE is left out")
        return {}
    sys.path.append(GRACE)
    try:
        importlib.import_module("grace_dl.dist")
    except ModuleNotFoundError:
        print(f"no grace_dl in GRACE={GRACE}: the comparison with GRACE is left out")
        return {}
    found: dict[str, float] = {}
    for name, pair in PAIRS.items():
        found |= measure_pair(name, pair)
    return found | measure_same_entries()


def main() -> None:
    """Take every measurement, print it, and write it down."""
    facts = machine()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        figures = {**measure_grace(), **measure_bytes(), **measure_elias()}
    report("compression", facts, GOALS, figures)


if __name__ == "__main__":
    main()
