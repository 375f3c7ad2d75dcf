"""Start ranks as processes of this computer, hand them a function, and take back the results.

The processes are fresh Python interpreters, so what they run must live in a module that they can
import: not in a notebook's cells, not in ``__main__``. They meet through a file, so no port is
needed, and they talk over loopback. Whatever happens (an exception, a kill, a timeout, Ctrl-C),
no process is left behind, and the error names the rank that failed first.
"""

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, Listener, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mlsys_lib.comm.errors import CommunicationError, LostRankError, RankError
from mlsys_lib.comm.ledger import Ledger, merge_logs
from mlsys_lib.comm.network import Network
from mlsys_lib.comm.run import Run, arguments_of
from mlsys_lib.core.validate import integer, positive, positive_int

_GRACE_S = 1.0  # after a first failure, time for its cause to be told by another rank


def launch(
    function: Callable[..., Any],
    world_size: int,
    *args: Any,
    timeout_s: float = 60.0,
    checked: bool = True,
    network: Network | None = None,
    **kwargs: Any,
) -> Run:
    """Run ``function(comm, *args, **kwargs)`` on `world_size` processes, and end them.

    Parameters
    ----------
    function : callable
        A function of a module; see `mlsys_lib.comm.simulate` for the rest.
    timeout_s : float
        Longest wait of a rank for another; also the longest run.
    checked : bool
        Send dtype and shape ahead of each array, so that a mismatch is an error in words.
    network : Network, optional
        The network that the ledger's simulated clock assumes.

    Returns
    -------
    Run
        `wall_s` holds the measured seconds of each rank.

    Raises
    ------
    RankError
        A rank raised, or its process ended.
    LostRankError
        A rank did not answer in time.
    """
    with ProcessPool(world_size) as pool:
        return pool.run(
            function, *args, timeout_s=timeout_s, checked=checked, network=network, **kwargs
        )


class ProcessPool:
    """Processes that stay, for several runs: starting them costs seconds.

    Parameters
    ----------
    world_size : int
        Number of processes; `run` may use fewer.
    """

    def __init__(self, world_size: int) -> None:
        self.world_size = positive_int("world_size", world_size)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._connections: list[Connection[Any, Any]] = []
        self._folder = Path(tempfile.mkdtemp(prefix="mlsys-"))
        self._runs = 0
        self._busy: set[int] = set()  # ranks that have not answered

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def run(
        self,
        function: Callable[..., Any],
        *args: Any,
        world_size: int | None = None,
        timeout_s: float = 60.0,
        checked: bool = True,
        network: Network | None = None,
        **kwargs: Any,
    ) -> Run:
        """Run a function on the first `world_size` processes; see `launch`."""
        size = self.world_size
        if world_size is not None:
            size = integer("world_size", world_size, 1, self.world_size)
        reference = _reference(function)
        calls = [_pickled(call) for call in arguments_of(size, args, kwargs)]
        positive("timeout_s", timeout_s)
        if not self._folder.exists():
            raise ValueError("the pool is closed: make another ProcessPool")
        if not self._processes:
            self._start()
        self._runs += 1
        store = str(self._folder / f"store-{self._runs}")
        self._busy = set(range(size))
        try:
            for rank, call in enumerate(calls):
                task = (reference, call, rank, size, store, timeout_s, checked)
                self._connections[rank].send(task)
            answers = self._collect(size, timeout_s)
        except BaseException:
            if self._busy:  # a rank that has told its error can take the next run
                self._stop()
            raise
        logs = [answer["log"] for answer in answers]
        ledger = Ledger(size, merge_logs(logs), network or Network())
        results = tuple(answer["result"] for answer in answers)
        return Run(results, ledger, tuple(answer["wall_s"] for answer in answers))

    def close(self) -> None:
        """End all processes and remove their folder."""
        self._stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    # -- processes ---------------------------------------------------------------------------------
    def _start(self) -> None:
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(entry or os.curdir for entry in sys.path)
        environment.setdefault("OMP_NUM_THREADS", "1")
        loopback = "lo0" if sys.platform == "darwin" else "lo"
        environment.setdefault("GLOO_SOCKET_IFNAME", loopback)
        environment["MLSYS_WORKER_KEY"] = key = os.urandom(16).hex()
        with Listener(authkey=bytes.fromhex(key)) as listener:
            command = [sys.executable, "-m", "mlsys_lib.comm.worker", _as_text(listener.address)]
            self._processes = [
                subprocess.Popen([*command, str(rank)], env=environment, stdin=subprocess.DEVNULL)
                for rank in range(self.world_size)
            ]
            try:
                self._connections = self._accept(listener)
            except BaseException:
                self._stop()
                raise

    def _accept(self, listener: Listener) -> "list[Connection[Any, Any]]":
        arrived: dict[int, Connection[Any, Any]] = {}
        socket = listener._listener._socket  # type: ignore[attr-defined]
        while len(arrived) < self.world_size:
            if wait([socket], timeout=0.2):
                connection = listener.accept()
                arrived[connection.recv()] = connection
            for rank, process in enumerate(self._processes):
                if process.poll() is not None:
                    raise RankError(rank, f"rank {rank} did not start: {_ended(process)}")
        return [arrived[rank] for rank in range(self.world_size)]

    def _stop(self) -> None:
        """Kill what runs and forget it; the next run starts afresh."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
        for process in self._processes:
            process.wait()
        for connection in self._connections:
            connection.close()
        self._processes, self._connections = [], []

    # -- answers -----------------------------------------------------------------------------------
    def _collect(self, size: int, timeout_s: float) -> list[dict[str, Any]]:
        answers: dict[int, dict[str, Any]] = {}
        failures: dict[int, CommunicationError] = {}
        deadline_s = time.monotonic() + timeout_s + 10.0  # ranks report their own timeouts first
        while len(answers) + len(failures) < size and time.monotonic() < deadline_s:
            waiting = [r for r in range(size) if r not in answers and r not in failures]
            ready = wait([self._connections[r] for r in waiting], timeout=0.2)
            for rank in waiting:
                if self._connections[rank] in ready:
                    self._receive(rank, answers, failures)
            if failures:
                deadline_s = min(deadline_s, time.monotonic() + _GRACE_S)
        if failures:
            raise _first_cause(failures)
        if len(answers) < size:
            silent = [rank for rank in range(size) if rank not in answers]
            raise LostRankError(f"rank(s) {silent} still ran after {timeout_s:g} s (timeout_s)")
        return [answers[rank] for rank in range(size)]

    def _receive(
        self,
        rank: int,
        answers: dict[int, dict[str, Any]],
        failures: dict[int, CommunicationError],
    ) -> None:
        try:
            answer = self._connections[rank].recv()
        except (EOFError, ConnectionError):
            self._processes[rank].wait()
            failures[rank] = RankError(rank, f"rank {rank} {_ended(self._processes[rank])}")
            return
        self._busy.discard(rank)
        if "error" not in answer:
            answers[rank] = answer
        elif answer["lost"]:
            lost = failures[rank] = LostRankError(answer["error"])
            lost.had_finished = answer["finished"]
        else:
            failures[rank] = RankError(rank, answer["error"])
            failures[rank].add_note(answer["traceback"])


def _first_cause(failures: dict[int, CommunicationError]) -> CommunicationError:
    """Ranks that failed by themselves come before those that lost another, or had finished."""

    def order(error: CommunicationError) -> int:
        return 2 * isinstance(error, LostRankError) + getattr(error, "had_finished", False)

    return min(failures.values(), key=order)


def _ended(process: "subprocess.Popen[bytes]") -> str:
    code = process.returncode
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _reference(function: Callable[..., Any]) -> str:
    """Return module:name, by which another process finds the function."""
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", "")
    if module == "__main__":
        raise ValueError(
            f"function must live in a module, got {name} of __main__: other processes cannot "
            "import a notebook's cell or a script; put it in a file and import it"
        )
    if not module or not name or "<" in name:
        raise ValueError(
            f"function must be importable by name, got {name or function!r}: define it at the "
            "top level of a module"
        )
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found != function:  # a bound method, or a name that something else has taken
        raise ValueError(f"function must be what {module} calls {name}, got {function!r}")
    return f"{module}:{name}"


def _pickled(call: Any) -> bytes:
    try:
        return pickle.dumps(call)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise TypeError(f"args must be picklable to reach another process: {error}") from error


def _as_text(address: Any) -> str:
    return address if isinstance(address, str) else f"{address[0]}:{address[1]}"
