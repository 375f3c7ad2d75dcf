"""What can go wrong between ranks, each with the rank that it happened to."""


class CommunicationError(RuntimeError):
    """A run over several ranks could not be finished."""


class RankError(CommunicationError):
    """One rank failed and the run ended; `rank` says which, `__cause__` why.

    Attributes
    ----------
    rank : int
        The first rank that failed.
    """

    def __init__(self, rank: int, message: str) -> None:
        super().__init__(message)
        self.rank = rank


class DeadlockError(CommunicationError):
    """No rank can go on; the message names who waits for whom."""


class LostRankError(CommunicationError):
    """A rank that others wait for is gone, or did not answer in time.

    Attributes
    ----------
    had_finished : bool
        The rank that reports it had nothing left to do itself.
    """

    had_finished = False


class MessageError(CommunicationError):
    """A message does not fit its receive: dtype, shape or checksum."""
