"""Optimizers: how weights move once the gradient is known, and what keeps training in hand.

Each optimizer holds arrays and changes them in place; `base` has what they share. Beside them are
schedules, batch normalization on one rank and over all ranks, early stopping, functions to draw,
and a small network to train.
"""

from mlsys_lib.optimizers.adagrad import Adagrad
from mlsys_lib.optimizers.adam import Adam
from mlsys_lib.optimizers.adamw import AdamW
from mlsys_lib.optimizers.base import Optimizer
from mlsys_lib.optimizers.batch_norm import BatchNorm
from mlsys_lib.optimizers.data_parallel import Replica, train_replica
from mlsys_lib.optimizers.early_stopping import EarlyStopping
from mlsys_lib.optimizers.heavy_ball import HeavyBall
from mlsys_lib.optimizers.lamb import LAMB
from mlsys_lib.optimizers.landscapes import Landscape
from mlsys_lib.optimizers.lars import LARS
from mlsys_lib.optimizers.lion import Lion
from mlsys_lib.optimizers.muon import Muon, newton_schulz
from mlsys_lib.optimizers.nesterov import Nesterov
from mlsys_lib.optimizers.network import Network
from mlsys_lib.optimizers.quadratic_rates import (
    Rates,
    gradient_descent_rates,
    heavy_ball_rates,
    nesterov_rates,
)
from mlsys_lib.optimizers.rmsprop import RMSprop
from mlsys_lib.optimizers.schedules import (
    Schedule,
    constant,
    cosine,
    inverse_sqrt,
    step_decay,
    warm_up,
)
from mlsys_lib.optimizers.sgd import SGD
from mlsys_lib.optimizers.shampoo import Shampoo, inverse_root
from mlsys_lib.optimizers.sync_batch_norm import SyncBatchNorm
from mlsys_lib.optimizers.train import Trained, train

__all__ = [
    "LAMB",
    "LARS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "BatchNorm",
    "EarlyStopping",
    "HeavyBall",
    "Landscape",
    "Lion",
    "Muon",
    "Nesterov",
    "Network",
    "Optimizer",
    "RMSprop",
    "Rates",
    "Replica",
    "Schedule",
    "Shampoo",
    "SyncBatchNorm",
    "Trained",
    "constant",
    "cosine",
    "gradient_descent_rates",
    "heavy_ball_rates",
    "inverse_root",
    "inverse_sqrt",
    "nesterov_rates",
    "newton_schulz",
    "step_decay",
    "train",
    "train_replica",
    "warm_up",
]
