"""Run an answer on several ranks: simulated in a notebook, in the sandbox under the grader."""

from collections.abc import Callable
from typing import Any

from mlsys_lib.comm import Faults, Network, Run, simulate
from mlsys_lib.core.validate import one_of

ENGINES = ("simulated", "gloo")


def on_ranks(
    function: Callable[..., Any],
    world_size: int,
    *args: Any,
    network: Network | None = None,
    faults: Faults | None = None,
    engine: str = "simulated",
    **kwargs: Any,
) -> Run:
    """Run ``function(comm, *args, **kwargs)`` on every one of `world_size` ranks.

    Parameters
    ----------
    function : callable
        A learner's function, or what stands for it under the grader: that one brings its own
        `on_ranks`, whose ranks are processes of the sandbox and whose ledger the grader keeps.
    world_size : int
        Number of ranks, at least 1.
    *args, **kwargs
        The same for all ranks; a `PerRank` holds one value for each.
    network, faults : optional
        As in `mlsys_lib.comm.simulate`.
    engine : {"simulated", "gloo"}
        "gloo" needs the grader: no other process can be handed a function that a notebook
        defines.

    Returns
    -------
    Run
        `results` in rank order, and the `ledger`.

    Raises
    ------
    ValueError
        For another engine, or for gloo without the grader.
    """
    one_of("engine", engine, ENGINES)
    elsewhere = getattr(function, "on_ranks", None)
    if elsewhere is not None:
        run: Run = elsewhere(
            world_size, *args, network=network, faults=faults, engine=engine, **kwargs
        )
        return run
    if engine == "gloo":
        raise ValueError(
            "engine must be 'simulated' in a notebook, got 'gloo': another process cannot be "
            "handed a function that a notebook defines"
        )
    return simulate(function, world_size, *args, network=network, faults=faults, **kwargs)
