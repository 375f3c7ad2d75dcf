"""Joining and leaving a group of processes: through a file, or as torchrun describes it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch.distributed as dist

from mlsys_lib.comm.errors import LostRankError
from mlsys_lib.comm.torch_backend import TorchTransport

_FileStore: Any = dist.FileStore  # type: ignore[attr-defined]


@contextmanager
def process_group(
    rank: int, world_size: int, store: str, timeout_s: float, checked: bool
) -> Iterator[TorchTransport]:
    """Meet the other ranks through the file `store`; leave the group whatever happens."""
    dist.init_process_group(
        "gloo",
        store=_FileStore(store, world_size),
        rank=rank,
        world_size=world_size,
        timeout=timedelta(seconds=timeout_s),
    )
    try:
        dist.barrier()
        yield TorchTransport(timeout_s, checked)
    finally:
        dist.destroy_process_group()


class NeverEndedError(LostRankError):
    """The reporting rank had finished; others had not, or had gone."""

    had_finished = True


def wait_for_the_end(rank: int) -> None:
    """Stay until all have finished: somebody may still receive from `rank`."""
    try:
        dist.barrier()
    except RuntimeError as error:
        raise NeverEndedError(f"rank {rank} had finished, another rank had not") from error


def is_loss(error: Exception) -> bool:
    """Return whether `error` came of another rank's failure, not of this one's."""
    return isinstance(error, LostRankError | dist.DistError)


@contextmanager
def from_environment(timeout_s: float = 60.0, checked: bool = True) -> Iterator[TorchTransport]:
    """Join the group that torchrun describes in RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT."""
    missing = [
        name
        for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
        if name not in os.environ
    ]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} must be in the environment: start this with "
            "torchrun … -m mlsys_lib.run"
        )
    port = os.environ["MASTER_PORT"]
    try:
        dist.init_process_group("gloo", timeout=timedelta(seconds=timeout_s))
    except dist.DistNetworkError as error:
        if "EADDRINUSE" not in str(error):
            raise
        raise LostRankError(
            f"MASTER_PORT must be free: port {port} is in use; choose another, or let torchrun "
            "choose (--rdzv-endpoint=localhost:0)"
        ) from None
    try:
        transport = TorchTransport(timeout_s, checked)
        yield transport
        wait_for_the_end(transport.rank)
    finally:
        dist.destroy_process_group()
