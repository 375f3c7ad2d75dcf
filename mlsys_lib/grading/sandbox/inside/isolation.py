"""The second filter, for a worker that is a simulated rank: installed without any library."""

import ctypes

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_INSTRUCTION_BYTES = 8


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


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
