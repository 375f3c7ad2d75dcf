"""One rank of a run: on the grader's simulated network, or on gloo over the sandbox's loopback."""

from collections.abc import Callable
from typing import Any

from mlsys_lib.comm.communicator import Communicator
from mlsys_lib.grading.sandbox.inside.channel import Channel
from mlsys_lib.grading.sandbox.inside.transport import RemoteTransport

Call = tuple[tuple[Any, ...], dict[str, Any]]


def run_simulated(
    function: Callable[..., Any], channel: Channel, rank: int, world_size: int, call: Call
) -> Any:
    """Return what `function` returns as one simulated rank."""
    args, kwargs = call
    return function(Communicator(RemoteTransport(channel, rank, world_size)), *args, **kwargs)


def run_on_gloo(
    function: Callable[..., Any],
    rank: int,
    world_size: int,
    store: str,
    timeout_s: float,
    call: Call,
) -> tuple[Any, list[Any]]:
    """Return what `function` returns as one rank of a gloo group, and the rank's log."""
    from mlsys_lib.comm.torch_group import process_group, wait_for_the_end

    args, kwargs = call
    with process_group(rank, world_size, store, timeout_s, checked=True) as transport:
        result = function(Communicator(transport), *args, **kwargs)
        wait_for_the_end(rank)
    return result, transport.log
