"""Six optimizers walk through a long valley, in runs of `mlsys_lib.optimizers`.

The valley is `landscapes.quadratic`: its curvature is 1 along and 25 across. Along the coordinates
an adaptive step can be long in one direction and short in the other; in the turned valley both
coordinates see the same, and it cannot.

The largest stable step of a quadratic of curvature h is a formula: 2 / h for gradient descent,
2 (1 + δ) / h for the heavy ball, 2 (1 + δ) / ((1 + 2 δ) h) for Nesterov, 2 (1 + δ) / ((1 - δ) h)
for Adam, whose average of gradients holds 1 - δ of each. The tests hold it to runs on either side.
For adaptive methods it says what would happen if the step stayed as it is.
"""

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.optimizers import SGD, Adagrad, Adam, HeavyBall, Nesterov, Optimizer, RMSprop
from mlsys_lib.optimizers.landscapes import Landscape, quadratic
from mlsys_lib.plots.optimizers import LandscapePlot, Valley, Walk
from mlsys_lib.plots.optimizers.landscape import loss_text, step_text

NUM_STEPS = 40
CURVATURE = 25.0
RMSPROP_DECAY = 0.9
_MOMENTA = (0.5, 0.9, 0.99)
#: Optimizers whose step is η in every coordinate, and those that set a step for each.
PLAIN = ("gradient descent", "heavy ball", "Nesterov")
ADAPTIVE = ("AdaGrad", "RMSProp", "Adam")
_WITH_MOMENTUM = ("heavy ball", "Nesterov", "Adam")
VALLEYS = {
    valley.name: valley
    for valley in (
        Valley("straight", (1.0, CURVATURE), 0.0, 0.0),
        Valley("turned", (1.0, CURVATURE), math.pi / 4, 0.0),
        Valley("noisy", (1.0, CURVATURE), 0.0, 2.0),
    )
}
_WORDS = {"straight": "along w₁", "turned": "turned by 45°", "noisy": "along w₁, noisy"}
_LISTED = (0, 1, 2, 5, 10, 20, 30, 40)


def landscape_explorer() -> Explorer:
    """Return the explorer: optimizer, momentum, step size and valley; the path, and the steps."""
    return Explorer(
        name="landscape",
        title="Through the valley: who walks, who zig-zags, who leaves?",
        compute=walk,
        plot=partial(LandscapePlot, NUM_STEPS),
        controls=(
            Control("optimizer", (*PLAIN, *ADAPTIVE), default="gradient descent"),
            Control("momentum", momenta, default=0.0, label="momentum δ", format=_momentum_text),
            Control("step_size", step_sizes, default=0.07, label="step size η", format="g"),
            Control("valley", tuple(VALLEYS), default="straight", format=_WORDS.__getitem__),
        ),
        describe=describe_walk,
        table=walk_table,
    )


def momenta(optimizer: str) -> tuple[float, ...]:
    """Return the momenta to choose from; 0 alone where there is none."""
    return _MOMENTA if optimizer in _WITH_MOMENTUM else (0.0,)


def step_sizes(optimizer: str) -> tuple[float, ...]:
    """Return step sizes from too small to too large; for adaptive methods they are distances."""
    return (0.01, 0.04, 0.07, 0.09) if optimizer in PLAIN else (0.01, 0.1, 0.5, 2.0)


def walk(optimizer: str, momentum: float, step_size: float, valley: str) -> Walk:
    """Take the steps, and look at the optimizer's state after each."""
    ground = VALLEYS[valley]
    landscape, rng = _landscape(ground.angle), np.random.default_rng(0)
    w = landscape.start.copy()
    stepper = make_optimizer(optimizer, [w], step_size, momentum)
    points, effective_steps = [w.copy()], []
    for _ in range(NUM_STEPS):
        at = stepper.look_ahead()[0] if isinstance(stepper, Nesterov) else w
        stepper.step([landscape.gradient(at) + ground.noise * rng.normal(size=2)])
        points.append(w.copy())
        effective_steps.append(effective_step(stepper))
    heights = ground.curvatures if ground.angle == 0 else (CURVATURE,)
    return Walk(
        title=_title(optimizer, momentum, step_size),
        valley=ground,
        points=np.array(points),
        losses=landscape.value(np.array(points)),
        effective_steps=np.array(effective_steps),
        limits=tuple(largest_step(optimizer, momentum) / curvature for curvature in heights),
    )


def make_optimizer(
    name: str, weights: list[np.ndarray], step_size: float, momentum: float
) -> Optimizer:
    """Return the library's optimizer of this name; what is no argument is its default."""
    makers: dict[str, Callable[..., Optimizer]] = {
        "gradient descent": SGD,
        "heavy ball": partial(HeavyBall, momentum=momentum),
        "Nesterov": partial(Nesterov, momentum=momentum),
        "AdaGrad": Adagrad,
        "RMSProp": partial(RMSprop, decay=RMSPROP_DECAY),
        "Adam": partial(Adam, decays=(momentum, 0.999)),
    }
    return makers[name](weights, learning_rate=step_size)


def effective_step(optimizer: Optimizer) -> np.ndarray:
    """Return η / (√v + ε₀) of each coordinate after a step, and η where there is no v."""
    if not isinstance(optimizer, (Adagrad, RMSprop, Adam)):
        return np.full(2, optimizer.learning_rate)
    v = optimizer.state[0]["second_moment"]
    if isinstance(optimizer, Adam):
        v = v / (1 - optimizer.decays[1] ** optimizer.num_steps)
    return np.asarray(optimizer.learning_rate / (np.sqrt(v) + optimizer.eps))


def largest_step(optimizer: str, momentum: float) -> float:
    """Return the largest constant step that does not diverge where the curvature is 1."""
    if optimizer == "Nesterov":
        return 2 * (1 + momentum) / (1 + 2 * momentum)
    if optimizer == "Adam":
        return 2 * (1 + momentum) / (1 - momentum)
    return 2 * (1 + momentum)


def describe_walk(walk: Walk) -> str:
    """Say where the walk led, how often it crossed the valley, and what the steps were."""
    times, leaves = walk.num_crossings, walk.leaves_in_step
    noise = (
        f"; noise of size {walk.valley.noise:g} is on each gradient" if walk.valley.noise else ""
    )
    ending = "." if walk.returns else " and does not return."
    left = f" It leaves the picture in step {leaves}{ending}" if leaves else ""
    first, last = (_pair(walk.effective_steps[t]) for t in (0, -1))
    steps = f"stays {first}" if first == last else f"goes from {first} to {last}"
    return (
        f"{walk.title}, in a valley {_lie(walk.valley)}, of curvature 1 along and {CURVATURE:g} "
        f"across{noise}. In {NUM_STEPS} steps the loss goes from {loss_text(walk.losses[0])} to "
        f"{loss_text(walk.losses[-1])}; the path crosses the floor of the valley {times} "
        f"time{'s' * (times != 1)}.{left} Second panel: the effective step {steps}. "
        f"The largest that is stable is {_pair(walk.limits)}."
    )


def walk_table(walk: Walk) -> Table:
    """Return some of the steps: point, loss, and the step of each coordinate."""
    header = ("step", "w₁", "w₂", "loss", "step of w₁", "step of w₂")
    rows = []
    for t in _LISTED:
        steps = [f"{s:.3g}" for s in walk.effective_steps[t - 1]] if t else ["–", "–"]
        point = [f"{x:.3g}" for x in walk.points[t]]
        rows.append((t, *point, f"{walk.losses[t]:.3g}", *steps))
    return header, rows


@cache
def _landscape(angle: float) -> Landscape:
    return quadratic(CURVATURE, angle)


def _title(optimizer: str, momentum: float, step_size: float) -> str:
    with_momentum = f", δ = {momentum:g}" if optimizer in _WITH_MOMENTUM else ""
    return f"{optimizer[0].upper()}{optimizer[1:]}, η = {step_size:g}{with_momentum}"


def _momentum_text(momentum: float) -> str:
    return f"{momentum:g}" if momentum else "none here"


def _lie(valley: Valley) -> str:
    return "turned by 45° from w₁" if valley.angle else "along w₁"


def _pair(values: Any) -> str:
    if values[0] == values[-1]:
        return f"{step_text(values[0])} in both"
    return f"{step_text(values[0])} in w₁ and {step_text(values[1])} in w₂"
