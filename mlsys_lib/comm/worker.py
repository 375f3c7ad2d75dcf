"""A process that waits for functions to run: started by `mlsys_lib.comm.launch`, not by people."""

import importlib
import os
import pickle
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Client, Connection
from queue import SimpleQueue
from typing import Any

import torch

from mlsys_lib.comm.communicator import Communicator
from mlsys_lib.comm.torch_group import is_loss, process_group, wait_for_the_end


def main(address: str, rank: int) -> None:
    """Connect to the parent, and run what it sends until it goes away."""
    torch.set_num_threads(1)
    connection = Client(address, authkey=bytes.fromhex(os.environ.pop("MLSYS_WORKER_KEY")))
    connection.send(rank)
    tasks: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, tasks), daemon=True).start()
    while True:
        try:
            connection.send(_answer(*tasks.get()))
        except SystemExit as ended:  # at once, so that it is this rank that ended first
            os._exit(ended.code if isinstance(ended.code, int) else 1)


def _listen(connection: "Connection[Any, Any]", tasks: "SimpleQueue[tuple[Any, ...]]") -> None:
    """Pass tasks on; when the parent is gone, end at once, whatever this rank is doing."""
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        os._exit(1)


def _answer(
    reference: str,
    call: bytes,
    rank: int,
    world_size: int,
    store: str,
    timeout_s: float,
    checked: bool,
) -> dict[str, Any]:
    try:
        function = _find(reference)
        args, kwargs = _unpickled(call)
        with process_group(rank, world_size, store, timeout_s, checked) as transport:
            start_s = time.perf_counter()
            result = function(Communicator(transport), *args, **kwargs)
            wall_s = time.perf_counter() - start_s
            wait_for_the_end(rank)
        answer = {"result": result, "log": transport.log, "wall_s": wall_s}
        pickle.dumps(answer)  # a result that cannot travel is this rank's error
        return answer
    except Exception as error:
        return {
            "error": f"rank {rank} raised {type(error).__name__}: {error}",
            "traceback": traceback.format_exc(),
            "lost": is_loss(error),
            "finished": getattr(error, "had_finished", False),
        }


def _unpickled(call: bytes) -> Any:
    try:
        return pickle.loads(call)
    except AttributeError as error:
        raise ValueError(
            "args must come from a module, not from a notebook's cell or a script: other processes "
            f"cannot import them ({error})"
        ) from error


def _find(reference: str) -> Callable[..., Any]:
    module, _, name = reference.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    function: Callable[..., Any] = found
    return function


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
