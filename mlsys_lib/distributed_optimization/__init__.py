"""Distributed optimization: many workers, one minimum.

Functions that take a `Communicator` first are run by every rank, each with its own examples. The
others run on one machine: the methods that they are compared with, and problems with known answers
(`worst_cases`, `kinks`, `noisy_sums`).
"""

from mlsys_lib.distributed_optimization.certificate import Dual
from mlsys_lib.distributed_optimization.cocoa import cocoa
from mlsys_lib.distributed_optimization.data_parallel import (
    distributed_gradient_descent,
    distributed_minibatch_sgd,
)
from mlsys_lib.distributed_optimization.descent import accelerated, gradient_descent, subgradient
from mlsys_lib.distributed_optimization.hogwild import hogwild
from mlsys_lib.distributed_optimization.lasso import Lasso, solve_lasso
from mlsys_lib.distributed_optimization.local_sgd import local_sgd
from mlsys_lib.distributed_optimization.losses import Hinge, Logistic, Loss, Squared
from mlsys_lib.distributed_optimization.minibatch_sdca import minibatch_sdca, safe_batch_scale
from mlsys_lib.distributed_optimization.objective import Objective
from mlsys_lib.distributed_optimization.one_shot import bias_corrected_average, one_shot_average
from mlsys_lib.distributed_optimization.optimum import Optimum, solve
from mlsys_lib.distributed_optimization.outcome import Rounds
from mlsys_lib.distributed_optimization.prox_cocoa import Columns, prox_cocoa
from mlsys_lib.distributed_optimization.rates import accelerated_cell, all_cells, fitted_slope
from mlsys_lib.distributed_optimization.rows import SparseRows
from mlsys_lib.distributed_optimization.shards import Shard, deal, join
from mlsys_lib.distributed_optimization.stochastic import sgd
from mlsys_lib.distributed_optimization.variance_reduction import saga, svrg

__all__ = [
    "Columns",
    "Dual",
    "Hinge",
    "Lasso",
    "Logistic",
    "Loss",
    "Objective",
    "Optimum",
    "Rounds",
    "Shard",
    "SparseRows",
    "Squared",
    "accelerated",
    "accelerated_cell",
    "all_cells",
    "bias_corrected_average",
    "cocoa",
    "deal",
    "distributed_gradient_descent",
    "distributed_minibatch_sgd",
    "fitted_slope",
    "gradient_descent",
    "hogwild",
    "join",
    "local_sgd",
    "minibatch_sdca",
    "one_shot_average",
    "prox_cocoa",
    "safe_batch_scale",
    "saga",
    "sgd",
    "solve",
    "solve_lasso",
    "subgradient",
    "svrg",
]
