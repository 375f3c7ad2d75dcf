"""Gradient compression: fewer bytes between workers, and training that still converges.

Three small things that swap: a `Compressor` makes a message of a gradient, a `Memory` keeps what
the message left out, and `aggregate` brings the messages of all ranks together. `train_compressed`
is the loop around them. A message is an array of packed bytes, as long as what a network carries.
"""

from mlsys_lib.gradient_compression.aggregate import (
    Aggregated,
    Collective,
    aggregate,
    mean_by_all_reduce,
    mean_by_gather,
)
from mlsys_lib.gradient_compression.atomo import Atomo, atomo_probabilities, atomo_variance
from mlsys_lib.gradient_compression.compressor import Compressor, Uncompressed
from mlsys_lib.gradient_compression.memory import ErrorFeedback, Memory, NoMemory
from mlsys_lib.gradient_compression.powersgd import PowerSGD
from mlsys_lib.gradient_compression.qsgd import QSGD, qsgd_variance
from mlsys_lib.gradient_compression.random_k import RandomK
from mlsys_lib.gradient_compression.sign import OneBit, Sign, pack_signs, unpack_signs
from mlsys_lib.gradient_compression.spectral import SpectralAtomo
from mlsys_lib.gradient_compression.terngrad import TernGrad, terngrad_variance
from mlsys_lib.gradient_compression.threshold import Threshold
from mlsys_lib.gradient_compression.topk import TopK
from mlsys_lib.gradient_compression.training import (
    Trained,
    train_compressed,
    train_on_fashion_mnist,
)
from mlsys_lib.gradient_compression.vote import MajorityVote, majority_vote
from mlsys_lib.gradient_compression.wire import MessageError

__all__ = [
    "QSGD",
    "Aggregated",
    "Atomo",
    "Collective",
    "Compressor",
    "ErrorFeedback",
    "MajorityVote",
    "Memory",
    "MessageError",
    "NoMemory",
    "OneBit",
    "PowerSGD",
    "RandomK",
    "Sign",
    "SpectralAtomo",
    "TernGrad",
    "Threshold",
    "TopK",
    "Trained",
    "Uncompressed",
    "aggregate",
    "atomo_probabilities",
    "atomo_variance",
    "majority_vote",
    "mean_by_all_reduce",
    "mean_by_gather",
    "pack_signs",
    "qsgd_variance",
    "terngrad_variance",
    "train_compressed",
    "train_on_fashion_mnist",
    "unpack_signs",
]
