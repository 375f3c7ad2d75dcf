"""What a worker asks of the kernel: to end with its nursery, and for a rank the second filter."""

import ctypes
import signal

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _MODE_FILTER = 1, 22, 2
_INSTRUCTION_BYTES = 8


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def end_with_parent() -> None:
    """Have the kernel kill this process when the one that forked it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def install_filter(program: bytes) -> None:
    """Install a compiled program for this process and all that it starts.

    Raises
    ------
    OSError
        The kernel refuses it.
    """
    code = ctypes.create_string_buffer(program, len(program))
    address = ctypes.cast(code, ctypes.c_void_p)
    whole = _Program(len(program) // _INSTRUCTION_BYTES, address)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(whole), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the rank's filter was refused")
