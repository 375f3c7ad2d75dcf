"""Collectives: how ranks broadcast, gather, and above all add.

Each function is run by every rank and takes that rank's `Communicator` first. `reference` holds
what each means, `cost` what each costs.
"""

from mlsys_lib.collectives.data_parallel import (
    AllReduce,
    Training,
    shard_gradient,
    softmax_gradient,
    train_data_parallel,
)
from mlsys_lib.collectives.exchange import all_to_all, barrier
from mlsys_lib.collectives.halving_doubling import halving_doubling_all_reduce
from mlsys_lib.collectives.linear import gather, naive_all_reduce, scatter
from mlsys_lib.collectives.parameter_server import (
    parameter_server_all_reduce,
    train_synchronous,
)
from mlsys_lib.collectives.recursive_doubling import recursive_doubling_all_reduce
from mlsys_lib.collectives.ring import ring_all_gather, ring_all_reduce, ring_reduce_scatter
from mlsys_lib.collectives.sparse import (
    pull_sparse,
    push_sparse,
    serve_pull,
    serve_push,
    sparse_step,
)
from mlsys_lib.collectives.stale import StaleTrace, train_stale
from mlsys_lib.collectives.tree import tree_all_reduce, tree_broadcast, tree_reduce

ALL_REDUCES = {
    "naive": naive_all_reduce,
    "tree": tree_all_reduce,
    "recursive doubling": recursive_doubling_all_reduce,
    "ring": ring_all_reduce,
    "halving-doubling": halving_doubling_all_reduce,
}
"""The five ways to all-reduce, by name."""

__all__ = [
    "ALL_REDUCES",
    "AllReduce",
    "StaleTrace",
    "Training",
    "all_to_all",
    "barrier",
    "gather",
    "halving_doubling_all_reduce",
    "naive_all_reduce",
    "parameter_server_all_reduce",
    "pull_sparse",
    "push_sparse",
    "recursive_doubling_all_reduce",
    "ring_all_gather",
    "ring_all_reduce",
    "ring_reduce_scatter",
    "scatter",
    "serve_pull",
    "serve_push",
    "shard_gradient",
    "softmax_gradient",
    "sparse_step",
    "train_data_parallel",
    "train_stale",
    "train_synchronous",
    "tree_all_reduce",
    "tree_broadcast",
    "tree_reduce",
]
