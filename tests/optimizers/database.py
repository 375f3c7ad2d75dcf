"""Every configuration in torch's own database of optimizers, in the words of this library.

`torch_database.json` is a copy of the database; a test holds it equal to the installed torch's.
"""

import inspect
import json
from pathlib import Path
from typing import Any

import torch

from mlsys_lib.optimizers import SGD, Adagrad, Adam, AdamW, Muon, RMSprop
from tests.optimizers.problems import (
    MATRICES,
    SHAPES,
    arrays,
    assert_equal,
    gradients,
    torch_walk,
    walk,
)

OURS: dict[str, Any] = {
    "SGD": SGD, "Adagrad": Adagrad, "RMSprop": RMSprop, "Adam": Adam, "AdamW": AdamW, "Muon": Muon,
}  # fmt: skip
WORDS = {
    "lr": "learning_rate",
    "betas": "decays",
    "alpha": "decay",
    "initial_accumulator_value": "initial_accumulator",
    "ns_steps": "num_iterations",
    "ns_coefficients": "coefficients",
    "adjust_lr_fn": "scale",
}
SAME = {
    "eps", "weight_decay", "momentum", "dampening", "nesterov", "maximize", "centered", "amsgrad",
    "lr_decay",
}  # fmt: skip
HOW_TORCH_COMPUTES = {"foreach", "fused", "capturable", "differentiable"}
NEITHER = {"params", "decoupled_weight_decay"}  # Adam with the second is AdamW
COPY = Path(__file__).with_name("torch_database.json")
DATABASE: list[tuple[str, str, dict[str, Any]]] = json.loads(COPY.read_text(encoding="utf-8"))
NUM_STEPS = 8


def options_of(function: Any) -> set[str]:
    """Return the names of everything an optimizer can be told."""
    return set(inspect.signature(function).parameters)


def configurations(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return (description, options) of one optimizer, without how torch computes."""
    return [
        (text, {k: v for k, v in options.items() if k not in HOW_TORCH_COMPUTES})
        for optimizer, text, options in DATABASE
        if optimizer == name
    ]


def check_configuration(ours: Any, name: str, options: dict[str, Any]) -> None:
    """Our weights after several steps, with changing rates too, are torch's."""
    shapes = MATRICES if name == "Muon" else SHAPES
    steps = list(gradients(shapes, NUM_STEPS))
    rates = [0.01 * (1 + step % 3) for step in range(NUM_STEPS)]
    renamed = {WORDS.get(option, option): value for option, value in options.items()}
    for schedule in ([], rates):
        weights = arrays(shapes, 0)
        expected = torch_walk(getattr(torch.optim, name), weights, steps, options, schedule)
        assert_equal(walk(ours(weights, **renamed), steps, schedule), expected)


def check_all(ours: Any, name: str) -> None:
    """Every configuration of the database."""
    for _, options in configurations(name):
        check_configuration(ours, name, options)
