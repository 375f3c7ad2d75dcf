"""Federated learning: clients keep their examples, and a server makes one model of their models.

`federate` is the round loop; sampling, local work and aggregation are its three pieces that swap.
Each algorithm is a function that puts them together: `fedsgd`, `fedavg`, `fedprox`, `qfedavg`,
`scaffold`, `fedopt`. Besides one model for all there is one for each client (`local_models`,
`ditto`, `mocha`). `secure_sum` and `PrivateMean` hide a client's part, `recover_batch` shows why.
"""

from mlsys_lib.federated_learning.accountant import (
    Guarantee,
    noise_multiplier_for,
    privacy_spent,
    renyi_divergence,
)
from mlsys_lib.federated_learning.aggregation import (
    Aggregation,
    MeanByExamples,
    PlainMean,
    Update,
    weighted_mean,
)
from mlsys_lib.federated_learning.agnostic import Minimax, minimax_weights, worst_mixture
from mlsys_lib.federated_learning.client_privacy import PoissonSampling, PrivateMean, clip
from mlsys_lib.federated_learning.clients import Client, client_weights, pooled
from mlsys_lib.federated_learning.convergence import Decrease, fedprox_decrease
from mlsys_lib.federated_learning.cost import ledger_bytes, round_bytes, total_bytes
from mlsys_lib.federated_learning.ditto import Personalized, ditto
from mlsys_lib.federated_learning.encoding import FixedPoint
from mlsys_lib.federated_learning.fed_opt import AdaptiveServer, ServerMomentum, fedavgm, fedopt
from mlsys_lib.federated_learning.fedavg import fedavg
from mlsys_lib.federated_learning.fedprox import fedprox
from mlsys_lib.federated_learning.fedsgd import fedsgd
from mlsys_lib.federated_learning.fixed_points import (
    fixed_point,
    quadratic_client,
    quadratic_minimum,
)
from mlsys_lib.federated_learning.flower import (
    flower_arrays,
    flower_client_app,
    flower_server_app,
    flower_strategy,
)
from mlsys_lib.federated_learning.leak import Leak, mean_gradient, recover_batch, recover_example
from mlsys_lib.federated_learning.local import ClientState, LocalSgd, LocalSolver
from mlsys_lib.federated_learning.local_models import (
    OneOrMany,
    global_model,
    local_models,
    one_or_many,
    personal_accuracy,
)
from mlsys_lib.federated_learning.mocha import (
    MultiTask,
    exact_multi_task,
    mocha,
    multi_task_objective,
    task_covariance,
)
from mlsys_lib.federated_learning.model import LeastSquares, Model, NetworkModel, SoftmaxRegression
from mlsys_lib.federated_learning.objective import (
    client_accuracies,
    client_gradients,
    client_losses,
    dissimilarity,
    federated_gradient,
    federated_loss,
    gradient_variance,
)
from mlsys_lib.federated_learning.partition import (
    dirichlet_partition,
    iid_partition,
    lognormal_partition,
    power_law_partition,
    shard_partition,
)
from mlsys_lib.federated_learning.qffl import FairStep, qfedavg, qfedsgd, qffl_loss
from mlsys_lib.federated_learning.rounds import History, federate
from mlsys_lib.federated_learning.sampling import (
    Everyone,
    ProportionalWithReplacement,
    Sampling,
    UniformWithoutReplacement,
)
from mlsys_lib.federated_learning.scaffold import ControlledMean, ControlledSgd, scaffold
from mlsys_lib.federated_learning.secure_aggregation import SecureSum, secure_sum
from mlsys_lib.federated_learning.secure_client import AbortedRound, SecureClient
from mlsys_lib.federated_learning.secure_mean import SecureMeanByExamples
from mlsys_lib.federated_learning.secure_server import SecureServer
from mlsys_lib.federated_learning.shamir import Share, reconstruct, share_secret
from mlsys_lib.federated_learning.synthetic import SyntheticData, synthetic
from mlsys_lib.federated_learning.systems import (
    Devices,
    Stragglers,
    Systems,
    Visit,
    lognormal_devices,
)
from mlsys_lib.federated_learning.workers import RankWorkers, over_ranks

__all__ = [
    "AbortedRound",
    "AdaptiveServer",
    "Aggregation",
    "Client",
    "ClientState",
    "ControlledMean",
    "ControlledSgd",
    "Decrease",
    "Devices",
    "Everyone",
    "FairStep",
    "FixedPoint",
    "Guarantee",
    "History",
    "Leak",
    "LeastSquares",
    "LocalSgd",
    "LocalSolver",
    "MeanByExamples",
    "Minimax",
    "Model",
    "MultiTask",
    "NetworkModel",
    "OneOrMany",
    "Personalized",
    "PlainMean",
    "PoissonSampling",
    "PrivateMean",
    "ProportionalWithReplacement",
    "RankWorkers",
    "Sampling",
    "SecureClient",
    "SecureMeanByExamples",
    "SecureServer",
    "SecureSum",
    "ServerMomentum",
    "Share",
    "SoftmaxRegression",
    "Stragglers",
    "SyntheticData",
    "Systems",
    "UniformWithoutReplacement",
    "Update",
    "Visit",
    "client_accuracies",
    "client_gradients",
    "client_losses",
    "client_weights",
    "clip",
    "dirichlet_partition",
    "dissimilarity",
    "ditto",
    "exact_multi_task",
    "fedavg",
    "fedavgm",
    "federate",
    "federated_gradient",
    "federated_loss",
    "fedopt",
    "fedprox",
    "fedprox_decrease",
    "fedsgd",
    "fixed_point",
    "flower_arrays",
    "flower_client_app",
    "flower_server_app",
    "flower_strategy",
    "global_model",
    "gradient_variance",
    "iid_partition",
    "ledger_bytes",
    "local_models",
    "lognormal_devices",
    "lognormal_partition",
    "mean_gradient",
    "minimax_weights",
    "mocha",
    "multi_task_objective",
    "noise_multiplier_for",
    "one_or_many",
    "over_ranks",
    "personal_accuracy",
    "pooled",
    "power_law_partition",
    "privacy_spent",
    "qfedavg",
    "qfedsgd",
    "qffl_loss",
    "quadratic_client",
    "quadratic_minimum",
    "reconstruct",
    "recover_batch",
    "recover_example",
    "renyi_divergence",
    "round_bytes",
    "scaffold",
    "secure_sum",
    "shard_partition",
    "share_secret",
    "synthetic",
    "task_covariance",
    "total_bytes",
    "weighted_mean",
    "worst_mixture",
]
