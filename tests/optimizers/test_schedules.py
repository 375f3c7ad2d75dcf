"""Schedules are torch's where torch has them, and functions of the step alone."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from mlsys_lib.optimizers import Schedule, constant, cosine, inverse_sqrt, step_decay, warm_up

NUM_STEPS = 40


def torch_rates(make: Any, learning_rate: float) -> list[float]:
    """Return the rates that torch's scheduler sets, step by step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=learning_rate)
    scheduler = make(optimizer)
    rates = []
    for _ in range(NUM_STEPS):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


TORCH: dict[str, tuple[Schedule, Any]] = {
    "constant": (constant(0.3), lambda o: lr_scheduler.LambdaLR(o, lambda step: 1.0)),
    "cosine": (
        cosine(0.3, NUM_STEPS, 0.01),
        lambda o: lr_scheduler.CosineAnnealingLR(o, NUM_STEPS, 0.01),
    ),
    "step decay": (step_decay(0.3, 7, 0.5), lambda o: lr_scheduler.StepLR(o, 7, 0.5)),
    "warm-up": (
        warm_up(constant(0.3), 10),
        lambda o: lr_scheduler.LinearLR(o, start_factor=0.1, total_iters=9),
    ),
    "inverse root": (
        inverse_sqrt(0.3),
        lambda o: lr_scheduler.LambdaLR(o, lambda step: (step + 1) ** -0.5),
    ),
}


@pytest.mark.parametrize("name", TORCH)
def test_rates_are_those_of_torch(name: str) -> None:
    schedule, make = TORCH[name]
    mine = [schedule(step) for step in range(NUM_STEPS)]
    np.testing.assert_allclose(mine, torch_rates(make, 0.3), rtol=1e-12)


@pytest.mark.parametrize("name", TORCH)
def test_rates_do_not_depend_on_what_was_asked_before(name: str) -> None:
    schedule = TORCH[name][0]
    forwards = [schedule(step) for step in range(NUM_STEPS)]
    backwards = [schedule(step) for step in reversed(range(NUM_STEPS))]
    assert forwards == backwards[::-1]


def test_cosine_starts_high_is_halfway_in_the_middle_and_stays_low() -> None:
    schedule = cosine(1.0, 10, 0.2)
    assert schedule(0) == 1.0
    assert schedule(5) == pytest.approx(0.6)
    assert schedule(10) == schedule(11) == schedule(10**6) == pytest.approx(0.2)


def test_warm_up_begins_above_zero_and_ends_at_the_whole_rate() -> None:
    schedule = warm_up(cosine(1.0, 100), 4)
    shares = [schedule(step) / cosine(1.0, 100)(step) for step in range(6)]
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.75, 1, 1, 1])


def test_warm_up_and_inverse_root_are_the_schedule_of_the_transformer() -> None:
    """min(t^-½, t · flat^-³ᐟ²), scaled to be 1 at its peak, with t from 1."""
    schedule = warm_up(inverse_sqrt(1.0, 8), 8)
    for step in range(60):
        t = step + 1
        assert schedule(step) == pytest.approx(min(t**-0.5, t * 8**-1.5) * 8**0.5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: constant(0), ValueError, "learning_rate must be finite and > 0, got 0"),
        (lambda: cosine(-1, 3), ValueError, "learning_rate must be finite and > 0, got -1"),
        (lambda: cosine(1, 0), ValueError, "num_steps must be an integer >= 1, got 0"),
        (lambda: cosine(1, 3, -1), ValueError, "final_rate must be finite and >= 0, got -1"),
        (lambda: step_decay(1, 0), ValueError, "every must be an integer >= 1, got 0"),
        (lambda: step_decay(1, 3, 2), ValueError, r"factor must be in \(0, 1\], got 2"),
        (lambda: step_decay(1, 3, 0), ValueError, "factor must be finite and > 0, got 0"),
        (lambda: inverse_sqrt(1, 0), ValueError, "num_flat must be an integer >= 1, got 0"),
        (lambda: warm_up(constant(1), 0), ValueError, "num_steps must be an integer >= 1"),
        (lambda: warm_up(constant(1), 2.5), TypeError, "num_steps must be an integer >= 1"),
    ],
)
def test_bad_options_are_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", TORCH)
def test_negative_steps_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="step must be an integer >= 0, got -1"):
        TORCH[name][0](-1)
