"""A student's function, as the grader calls it: plain data in, plain data out."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mlsys_lib.comm import Faults, Network, Run

if TYPE_CHECKING:
    from mlsys_lib.grading.sandbox.session import Sandbox


class Function:
    """Stands in the grader for a function that lives in the sandbox.

    Arrays that the student changes in place are changed here too.

    Parameters
    ----------
    sandbox : Sandbox
    name : str
        What the student calls it.
    """

    def __init__(self, sandbox: "Sandbox", name: str) -> None:
        self._sandbox = sandbox
        self.__name__ = name

    def __repr__(self) -> str:
        return f"<the student's {self.__name__}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it.

        Raises
        ------
        StudentFault
            It raised, did not end, or returned no plain data.
        NotPlainError
            An argument is not plain data: an error of the test.
        """
        return self._sandbox.call(self.__name__, args, kwargs)

    def on_ranks(
        self,
        world_size: int,
        *args: Any,
        network: Network | None = None,
        faults: Faults | None = None,
        engine: str = "simulated",
        **kwargs: Any,
    ) -> Run:
        """Call it with a `Communicator` on each of `world_size` ranks, each a process.

        Parameters
        ----------
        world_size : int
        *args, **kwargs
            Plain data; a `PerRank` holds one value for each rank.
        network, faults : optional
            As in `mlsys_lib.comm.simulate`.
        engine : {"simulated", "gloo"}
            On simulated ranks the grader carries the messages, and the ledger is its own. On gloo
            the ledger is the student's word; `faults` cannot be had there.

        Raises
        ------
        StudentFault
            A rank failed (the message names it), or nobody could go on ("DeadlockError").
        """
        return self._sandbox.call_on_ranks(
            self.__name__, world_size, args, kwargs, network, faults, engine
        )


def arrays_in(value: Any) -> list[np.ndarray]:
    """Return the arrays in plain data, each once, in the order in which a frame carries them."""
    found: dict[int, np.ndarray] = {}
    _collect(value, found)
    return list(found.values())


def _collect(value: Any, found: dict[int, np.ndarray]) -> None:
    if type(value) is np.ndarray:
        found.setdefault(id(value), value)
    elif type(value) in (list, tuple):
        for item in value:
            _collect(item, found)
    elif type(value) is dict:
        for item in value.values():
            _collect(item, found)
