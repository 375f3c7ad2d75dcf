"""What one submission may use."""

from dataclasses import dataclass, fields

from mlsys_lib.core.validate import positive


@dataclass(frozen=True)
class Limits:
    """Limits of one submission; all must be positive.

    Attributes
    ----------
    cell_s : float
        Wall clock of one student cell, and of all calls of one test cell together.
    submission_s : float
        Wall clock of all of them.
    memory_bytes : int
        Of all processes together, simulated ranks apart: these may use as much once more.
    disk_bytes : int
        Of the folder /tmp, the only one that can be written.
    output_bytes : int
        What is kept of the output of one cell.
    processes : int
        Processes and threads at one time.
    message_bytes : int
        Arrays in one call, one result, or under way between ranks.
    """

    cell_s: float = 10.0
    submission_s: float = 120.0
    memory_bytes: int = 2**30
    disk_bytes: int = 2**26
    output_bytes: int = 2**20
    processes: int = 64
    message_bytes: int = 2**28

    def __post_init__(self) -> None:
        for field in fields(self):
            positive(field.name, getattr(self, field.name))
