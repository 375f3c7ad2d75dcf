"""SGD, Adagrad, RMSprop, Adam, AdamW and Muon are torch's, in every configuration it tests."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from mlsys_lib.optimizers import Adam, Muon
from tests.optimizers import database
from tests.optimizers.problems import MATRICES, arrays, gradients, torch_walk, walk

CONFIGURATIONS = [
    (name, options, f"{name}-{text}")
    for name in database.OURS
    for text, options in database.configurations(name)
]
# What the database leaves out: options together, and those it never sets.
MORE: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"momentum": 0.9, "nesterov": True, "maximize": True}),
    ("SGD", {"momentum": 0.5, "dampening": 1.0, "weight_decay": 0.1, "maximize": True}),
    ("Adagrad", {"eps": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 2.0}),
    ("RMSprop", {"alpha": 0.5, "eps": 0.1, "momentum": 0.9}),
    ("RMSprop", {"alpha": 0.0, "momentum": 0.9, "centered": False, "maximize": True}),
    ("Adam", {"betas": (0.5, 0.7), "eps": 0.1, "amsgrad": True, "maximize": True}),
    ("Adam", {"betas": (0.0, 0.0), "weight_decay": 1.0}),
    ("AdamW", {"betas": (0.5, 0.7), "weight_decay": 1.0, "maximize": True}),
    ("Muon", {"nesterov": False, "eps": 10.0}),
    ("Muon", {"adjust_lr_fn": "match_rms_adamw", "momentum": 0.0}),
    ("Muon", {"adjust_lr_fn": "original", "weight_decay": 0.0}),
]
in_double = pytest.mark.usefixtures("muon_in_double")


@in_double
@pytest.mark.parametrize(
    ("name", "options"), [c[:2] for c in CONFIGURATIONS], ids=[c[2] for c in CONFIGURATIONS]
)
def test_database(name: str, options: dict[str, Any]) -> None:
    database.check_configuration(database.OURS[name], name, options)


@in_double
@pytest.mark.parametrize(("name", "options"), MORE)
def test_options_that_the_database_leaves_out(name: str, options: dict[str, Any]) -> None:
    database.check_configuration(database.OURS[name], name, options)


@pytest.mark.parametrize("name", database.OURS)
def test_torch_has_no_option_that_is_not_known_here(name: str) -> None:
    """A new one must be taken over, or be found to say only how torch computes."""
    known = {*database.WORDS, *database.SAME, *database.HOW_TORCH_COMPUTES, *database.NEITHER}
    options = database.options_of(getattr(torch.optim, name))
    assert options <= known
    ours = database.options_of(database.OURS[name])
    kept = options - database.HOW_TORCH_COMPUTES - database.NEITHER
    assert {database.WORDS.get(option, option) for option in kept} <= ours


def test_dropped_options_are_those_of_the_database() -> None:
    """What is left out in these tests says how torch computes, and no more."""
    found = {option for _, _, options in database.DATABASE for option in options}
    assert found - {*database.WORDS, *database.SAME} == {"capturable"}
    assert {name for name, _, _ in database.DATABASE} == set(database.OURS)
    assert len(CONFIGURATIONS) == len(database.DATABASE) >= 50


def test_copy_of_the_database_is_that_of_the_installed_torch() -> None:
    program = database.COPY.with_suffix(".py")
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=120, check=True
    )
    assert json.loads(done.stdout) == database.DATABASE


@pytest.mark.parametrize("name", database.OURS)
def test_defaults_are_those_of_torch(name: str) -> None:
    ours = database.OURS[name](arrays([(2, 2)], 0))
    parameter = torch.nn.Parameter(torch.zeros(2, 2))
    defaults = getattr(torch.optim, name)([parameter]).defaults
    defaults["adjust_lr_fn"] = "original"  # torch's None means this
    for option, value in defaults.items():
        mine = database.WORDS.get(option, option)
        if hasattr(ours, mine) and option not in database.HOW_TORCH_COMPUTES:
            assert getattr(ours, mine) == value, option


def test_muon_of_torch_differs_by_its_bfloat16_alone() -> None:
    """A bfloat16 has 8 bits: a step of length η is known to some hundredths of η."""
    steps = list(gradients(MATRICES, 1))
    mine = walk(Muon(arrays(MATRICES, 0), learning_rate=1.0), steps)
    theirs = torch_walk(torch.optim.Muon, arrays(MATRICES, 0), steps, {"lr": 1.0})
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=0.03)
        assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW"])
def test_float32_stays_float32(name: str) -> None:
    """In weights and state; and single precision agrees with torch's in single precision."""
    shapes = [(), (3, 4), (0,)]
    steps = [[np.asarray(g, np.float32) for g in step] for step in gradients(shapes, 6)]
    weights = arrays(shapes, 0, np.float32)
    theirs = torch_walk(getattr(torch.optim, name), weights, steps, {})
    optimizer = database.OURS[name](weights)
    for mine, other in zip(walk(optimizer, steps), theirs, strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)
    for state in optimizer.state:
        assert all(array.dtype == np.float32 for array in state.values())


def test_states_are_those_of_torch() -> None:
    """After the same steps the averages are equal too, not only the weights."""
    steps = [arrays([(4,)], seed) for seed in range(5)]
    weights = arrays([(4,)], 9)
    parameter = torch.nn.Parameter(torch.from_numpy(weights[0].copy()))
    theirs = torch.optim.Adam([parameter], amsgrad=True)
    ours = Adam(weights, amsgrad=True)
    for step in steps:
        parameter.grad = torch.from_numpy(step[0].copy())
        theirs.step()
        ours.step(step)
    state = theirs.state[parameter]
    names = {
        "first_moment": "exp_avg",
        "second_moment": "exp_avg_sq",
        "max_second_moment": "max_exp_avg_sq",
    }
    assert set(ours.state[0]) == set(names)
    for mine, other in names.items():
        np.testing.assert_allclose(ours.state[0][mine], state[other].numpy(), rtol=1e-13)
    assert ours.num_steps == int(state["step"])
