"""Measure the optimizers: `python -m benchmarks.optimizers`; figures go to benchmarks/results/.

One thread each, in turns, medians of ratios. A model of 4.2 million float32 weights takes a step.
torch has two plain ways, a loop over arrays and `foreach`, and the goal is for whichever was
faster; its `fused` kernel is written by hand in C++ and stands beside them. `adam_of_whole_arrays`
is NumPy without blocks: one line of the formula after the other.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.comm.__main__ import machine
from benchmarks.report import report
from mlsys_lib.optimizers import SGD, Adam, AdamW, BatchNorm, Muon, Network, train

SHAPES = [(1024, 2048), (2048, 1024), (5696,)]  # 4.2 million
MATRICES = [(512, 512), (512, 2048)]
BATCH = (4096, 256)
REPEAT = 25
GOALS = {"adam_to_torch_ratio": 1.5}
Step = Callable[[], object]


def arrays(shapes: Sequence[tuple[int, ...]], seed: int) -> list[np.ndarray]:
    """Return one normal float32 array for each shape."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def seconds_in_turns(functions: dict[str, Step]) -> dict[str, list[float]]:
    """Return the seconds of several functions that take turns; the first two turns warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(REPEAT + 2):
        for name, function in functions.items():
            start_s = time.perf_counter()
            function()
            if turn >= 2:
                seconds[name].append(time.perf_counter() - start_s)
    return seconds


def torch_step(name: str, shapes: Sequence[tuple[int, ...]], **options: object) -> Step:
    """Return a step of torch's optimizer on the same weights and gradients."""
    parameters = [torch.nn.Parameter(torch.from_numpy(w)) for w in arrays(shapes, 0)]
    for parameter, g in zip(parameters, arrays(shapes, 1), strict=True):
        parameter.grad = torch.from_numpy(g)
    step: Step = getattr(torch.optim, name)(parameters, **options).step
    return step


def our_step(optimizer: SGD | Adam | Muon, shapes: Sequence[tuple[int, ...]]) -> Step:
    """Return a step of ours."""
    gradients = arrays(shapes, 1)
    return lambda: optimizer.step(gradients)


def adam_of_whole_arrays() -> Step:
    """Return Adam as a line of NumPy for each line of the formula."""
    weights, gradients = arrays(SHAPES, 0), arrays(SHAPES, 1)
    first = [np.zeros_like(w) for w in weights]
    second = [np.zeros_like(w) for w in weights]
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        for w, g, u, v in zip(weights, gradients, first, second, strict=True):
            u[...] = 0.9 * u + 0.1 * g
            v[...] = 0.999 * v + 0.001 * g**2
            size = np.sqrt(v / (1 - 0.999**count)) + 1e-8
            w -= 1e-3 * (u / (1 - 0.9**count)) / size

    return step


def measure_steps() -> dict[str, float]:
    """Return seconds of a step, and ours as a multiple of torch's faster plain way."""
    functions: dict[str, Step] = {
        "adam": our_step(Adam(arrays(SHAPES, 0)), SHAPES),
        "torch_adam_loop": torch_step("Adam", SHAPES, foreach=False),
        "torch_adam_foreach": torch_step("Adam", SHAPES, foreach=True),
        "torch_adam_fused": torch_step("Adam", SHAPES, fused=True),
        "adam_of_whole_arrays": adam_of_whole_arrays(),
        "adamw": our_step(AdamW(arrays(SHAPES, 0)), SHAPES),
        "torch_adamw_loop": torch_step("AdamW", SHAPES, foreach=False),
        "torch_adamw_foreach": torch_step("AdamW", SHAPES, foreach=True),
        "sgd": our_step(SGD(arrays(SHAPES, 0), momentum=0.9), SHAPES),
        "torch_sgd_loop": torch_step("SGD", SHAPES, momentum=0.9, foreach=False),
        "torch_sgd_foreach": torch_step("SGD", SHAPES, momentum=0.9, foreach=True),
    }
    seconds = seconds_in_turns(functions)
    found = {f"{name}_s": median(times) for name, times in seconds.items()}
    for name in ("adam", "adamw", "sgd"):
        peers = [f"torch_{name}_loop", f"torch_{name}_foreach"]
        peer = min(peers, key=lambda key: found[f"{key}_s"])
        found[f"{name}_to_torch_ratio"] = ratio(seconds[name], seconds[peer])
    found["adam_to_torch_fused_ratio"] = ratio(seconds["adam"], seconds["torch_adam_fused"])
    whole = seconds["adam_of_whole_arrays"]
    found["adam_to_whole_arrays_ratio"] = ratio(seconds["adam"], whole)
    return found


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the turns' ratios."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def measure_muon() -> dict[str, float]:
    """Return seconds of Muon on two matrices; torch's works in bfloat16."""
    seconds = seconds_in_turns(
        {
            "muon": our_step(Muon(arrays(MATRICES, 0)), MATRICES),
            "torch_muon": torch_step("Muon", MATRICES),
        }
    )
    found = {f"{name}_s": median(times) for name, times in seconds.items()}
    return {**found, "muon_to_torch_ratio": ratio(seconds["muon"], seconds["torch_muon"])}


def measure_batch_norm() -> dict[str, float]:
    """Return seconds of a pass forwards and backwards."""
    x, g = arrays([BATCH, BATCH], 0)
    layer = BatchNorm(BATCH[1], dtype=np.float32)
    theirs = torch.nn.BatchNorm1d(BATCH[1])
    leaf, gradient = torch.from_numpy(x.copy()).requires_grad_(), torch.from_numpy(g)
    seconds = seconds_in_turns(
        {
            "batch_norm": lambda: (layer.forward(x), layer.backward(g)),
            "torch_batch_norm": lambda: theirs(leaf).backward(gradient),
        }
    )
    found = {f"{name}_s": median(times) for name, times in seconds.items()}
    slower = ratio(seconds["batch_norm"], seconds["torch_batch_norm"])
    return {**found, "batch_norm_to_torch_ratio": slower}


def measure_training() -> dict[str, float]:
    """Return seconds of an epoch: 3 000 images, widths 784, 128, 10, batches of 100."""
    rng = np.random.default_rng(0)
    X, y = rng.random((3000, 784), dtype=np.float32), rng.integers(0, 10, 3000)
    network = Network([784, 128, 10], rng, dtype=np.float32)
    adam = Adam(network.weights)
    inputs, labels = torch.from_numpy(X), torch.from_numpy(y)
    layers = torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)
    model = torch.nn.Sequential(*layers)
    theirs = torch.optim.Adam(model.parameters())

    def torch_epoch() -> None:
        for batch in torch.randperm(3000).split(100):
            theirs.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs[batch]), labels[batch]).backward()
            theirs.step()

    def epoch() -> None:
        train(network, X, y, adam, num_epochs=1, batch_size=100, rng=rng)

    seconds = seconds_in_turns({"epoch": epoch, "torch_epoch": torch_epoch})
    found = {f"{name}_s": median(times) for name, times in seconds.items()}
    return {**found, "epoch_to_torch_ratio": ratio(seconds["epoch"], seconds["torch_epoch"])}


def main() -> None:
    """Take every measurement, print it, and write it down."""
    facts = machine()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        figures = {
            **measure_steps(), **measure_muon(), **measure_batch_norm(), **measure_training(),
        }  # fmt: skip
    report("optimizers", facts, GOALS, figures)


if __name__ == "__main__":
    main()
