"""The checks that accept the library reject each planted wrong version, for its own reason."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from mlsys_lib.collectives import cost, ring_all_reduce, ring_reduce_scatter
from mlsys_lib.comm import ProcessPool
from tests.collectives import checks, planted, test_data_parallel, test_parameter_server
from tests.collectives import test_ring as ring
from tests.collectives import test_stale as stale
from tests.conftest import Machine

ring_ledger = partial(checks.check_ledger, cost=cost.ring_all_reduce_cost)
doubling_ledger = partial(checks.check_ledger, cost=cost.recursive_doubling_all_reduce_cost)

WRONG = [
    (planted.ring_of_whole_tensors, ring_ledger, 4),
    (planted.ring_off_by_one_chunk, checks.check_oracle, 4),
    (planted.ring_without_last_reduce_step, checks.check_oracle, 4),
    (planted.ring_that_drops_the_tail, checks.check_oracle, 4),
    (planted.doubling_for_powers_of_two_only, checks.check_oracle, 3),
    (planted.doubling_with_own_part_first, checks.check_equal_on_all_ranks, 4),
    (planted.doubling_with_own_part_first, doubling_ledger, 4),
    (planted.tree_in_place, checks.check_input_unchanged, 4),
    (planted.mean_before_sum, checks.check_oracle, 2),
    (planted.integer_mean_by_floor, checks.check_integer_mean_refused, 2),
    (planted.server_counts_workers_only, checks.check_oracle, 3),
    (planted.reduce_scatter_without_last_step, ring.check_reduce_scatter, 4),
    (planted.train_on_mean_of_means, test_data_parallel.check_equals_one_worker, 4),
    (planted.serve_dividing_by_world_size, test_parameter_server.check_equals_serial, 3),
    (planted.stale_without_bound, stale.check_bound, 4),
]
NAMES = [f"{wrong.__name__}-{world_size}" for wrong, _, world_size in WRONG]


@pytest.mark.parametrize(("wrong", "check", "world_size"), WRONG, ids=NAMES)
def test_planted_version_is_rejected(
    wrong: Callable[..., object], check: Callable[..., None], world_size: int
) -> None:
    with pytest.raises(AssertionError):
        check(Machine(world_size, None), wrong)


def test_some_are_right_in_all_but_one_respect() -> None:
    """A ring of whole tensors adds up correctly: only the ledger tells."""
    checks.check_oracle(Machine(4, None), planted.ring_of_whole_tensors)
    checks.check_oracle(Machine(4, None), planted.doubling_for_powers_of_two_only)


def test_planted_ring_is_rejected_on_processes_too(pool: ProcessPool) -> None:
    with pytest.raises(AssertionError):
        ring_ledger(Machine(4, pool), planted.ring_of_whole_tensors)
    ring_ledger(Machine(4, pool), ring_all_reduce)


def test_the_same_checks_accept_the_library() -> None:
    ring.check_reduce_scatter(Machine(4, None), ring_reduce_scatter)
    np.testing.assert_equal(len(NAMES), len(set(NAMES)) + 1)  # one version, two reasons
