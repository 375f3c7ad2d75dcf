import numpy as np
import pytest

from mlsys_lib.comm import simulate
from mlsys_lib.federated_learning.cost import ledger_bytes, round_bytes, total_bytes
from mlsys_lib.federated_learning.fedavg import fedavg
from mlsys_lib.federated_learning.model import LeastSquares
from mlsys_lib.federated_learning.workers import HEADER_BYTES, over_ranks
from tests.federated_learning.quadratics import (
    failing_run,
    prox_run,
    unequal_clients,
    with_control,
)

MODEL, CLIENTS = LeastSquares(3), unequal_clients([4, 6, 9, 2, 7])


@pytest.mark.parametrize("fraction", [0.1, 0.5, 1.0])
def test_a_history_has_the_bytes_of_the_formula(fraction: float) -> None:
    """Both directions, sampled clients only: the plain m k counts neither."""
    run = fedavg(
        MODEL, CLIENTS, np.zeros(3), num_rounds=4, local_epochs=1, batch_size=2,
        learning_rate=0.01, client_fraction=fraction,
    )  # fmt: skip
    per_round = run.down_bytes + run.up_bytes
    assert per_round.tolist() == [round_bytes(3, 5, fraction)] * 4
    assert per_round.sum() == total_bytes(4, 3, 5, fraction)
    assert total_bytes(4, 3, 5, 1.0) == 4 * 2 * 5 * 3 * 8


def test_a_second_vector_doubles_them() -> None:
    run = with_control(MODEL, CLIENTS)
    assert run.down_bytes[0] + run.up_bytes[0] == round_bytes(3, 5, 0.5, num_vectors=2)
    assert round_bytes(3, 5, 0.5, num_vectors=2) == 2 * round_bytes(3, 5, 0.5)


@pytest.mark.parametrize("function", [prox_run, failing_run, with_control])
def test_a_ledger_has_them_and_the_headers(function) -> None:
    history = function(MODEL, CLIENTS)
    ledger = simulate(over_ranks, 4, function, MODEL, CLIENTS).ledger
    assert ledger.total_bytes == ledger_bytes(history, 4)
    visits = sum(map(len, history.sampled))
    headers_down = HEADER_BYTES * (visits + 3)
    assert ledger.sent_bytes[0] == history.down_bytes.sum() + headers_down
    if function is not failing_run:
        assert sum(ledger.sent_bytes[1:]) == history.up_bytes.sum() + HEADER_BYTES * visits


def test_numbers_of_four_bytes_cost_half() -> None:
    assert round_bytes(7, 10, 0.3, itemsize=4) * 2 == round_bytes(7, 10, 0.3) == 2 * 3 * 7 * 8
    assert round_bytes(1, 1) == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 5), "num_weights must be an integer >= 1, got 0"),
        ((3, 0), "num_clients must be an integer >= 1, got 0"),
        ((3, 5, 0.0), r"fraction must be in \(0, 1\], got 0.0"),
    ],
)
def test_bad_input_is_refused(arguments, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        round_bytes(*arguments)
    with pytest.raises(ValueError, match="num_rounds must be an integer >= 1, got 0"):
        total_bytes(0, 3, 5)
