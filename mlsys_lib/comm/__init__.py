"""The communicator: one algorithm, three machines.

`simulate` runs a function on ranks of one process, `launch` on processes of this computer, and
``torchrun … -m mlsys_lib.run`` over several hosts. The function cannot tell which.
"""

from mlsys_lib.comm.clock import Span, Timeline, Transfer
from mlsys_lib.comm.communicator import Communicator, Request, wait_all
from mlsys_lib.comm.errors import (
    CommunicationError,
    DeadlockError,
    LostRankError,
    MessageError,
    RankError,
)
from mlsys_lib.comm.faults import Faults
from mlsys_lib.comm.launch import ProcessPool, launch
from mlsys_lib.comm.ledger import Ledger
from mlsys_lib.comm.network import Link, Network
from mlsys_lib.comm.run import PerRank, Run
from mlsys_lib.comm.simulator import simulate

__all__ = [
    "CommunicationError",
    "Communicator",
    "DeadlockError",
    "Faults",
    "Ledger",
    "Link",
    "LostRankError",
    "MessageError",
    "Network",
    "PerRank",
    "ProcessPool",
    "RankError",
    "Request",
    "Run",
    "Span",
    "Timeline",
    "Transfer",
    "launch",
    "simulate",
    "wait_all",
]
