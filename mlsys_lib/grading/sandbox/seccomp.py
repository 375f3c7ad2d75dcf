"""Which system calls a student's processes may not make: two filters, compiled outside.

`sandbox_filter` holds for everything in the sandbox. It closes what no exercise needs and what
flaws of kernels are found in: tracing, keys, new namespaces, mounts, io_uring, BPF, memory that
belongs to no process. `rank_filter` is added for simulated ranks. It closes the ways by which two
processes could share data beside the counted messages: files, sockets, locks, signals.
"""

import errno
import socket
import tempfile
from functools import cache
from typing import Any

_DENIED = (
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
    "keyctl", "add_key", "request_key", "bpf", "perf_event_open", "userfaultfd",
    "io_uring_setup", "io_uring_enter", "io_uring_register", "memfd_create", "memfd_secret",
    "shmget", "shmat", "shmctl", "shmdt", "msgget", "msgsnd", "msgrcv", "msgctl",
    "semget", "semop", "semtimedop", "semctl", "mq_open", "mq_unlink",
    "mount", "umount2", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount", "fspick",
    "move_mount", "open_tree", "mount_setattr", "unshare", "setns",
    "name_to_handle_at", "open_by_handle_at", "kexec_load", "kexec_file_load", "init_module",
    "finit_module", "delete_module", "reboot", "swapon", "swapoff", "acct", "syslog",
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "quotactl", "quotactl_fd",
    "fanotify_init", "fanotify_mark", "sethostname", "setdomainname", "iopl", "ioperm",
    "modify_ldt", "uselib", "ustat", "sysfs", "vhangup", "nfsservctl", "lookup_dcookie",
    "move_pages", "migrate_pages", "vmsplice", "landlock_create_ruleset",
)  # fmt: skip
_NEW_NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000,
                   0x40000000)  # fmt: skip
"""CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)

_SHARING = (
    "socket", "socketpair", "connect", "bind", "listen", "creat", "mknod", "mknodat", "mkdir",
    "mkdirat", "rmdir", "rename", "renameat", "renameat2", "link", "linkat", "symlink",
    "symlinkat", "unlink", "unlinkat", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown",
    "lchown", "fchown", "fchownat", "utime", "utimes", "utimensat", "futimesat", "truncate",
    "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr",
    "fremovexattr", "flock", "inotify_init", "inotify_init1", "inotify_add_watch",
    "kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open",
    "pidfd_send_signal", "setpriority", "getpriority", "ioprio_set", "ioprio_get", "setpgid",
    "sched_setaffinity", "sched_getaffinity", "sched_setscheduler", "sched_setparam",
    "sched_setattr", "sched_getattr", "sched_getparam", "sched_getscheduler", "prlimit64",
    "process_mrelease", "openat2", "cachestat", "get_robust_list",
)  # fmt: skip
_FOR_WRITING = (0o1, 0o2, 0o100, 0o1000, 0o20000000)  # WRONLY, RDWR, CREAT, TRUNC, of O_TMPFILE
_LOCKS_AND_SIGNALS = (5, 6, 7, 8, 10, 15, 36, 37, 38, 1024, 1025, 1026)
"""F_GETLK, SETLK, SETLKW, SETOWN, SETSIG, SETOWN_EX, OFD_…, SETLEASE, GETLEASE, NOTIFY of fcntl."""


@cache
def sandbox_filter() -> bytes:
    """Return the program for everything in the sandbox, as ``bwrap --seccomp`` reads it."""
    import pyseccomp as sc

    program = _deny(sc, _DENIED)
    program.add_rule(sc.ERRNO(errno.ENOSYS), "clone3")  # its flags cannot be seen; libc falls back
    for flag in _NEW_NAMESPACES:
        program.add_rule(sc.ERRNO(errno.EPERM), "clone", sc.Arg(0, sc.MASKED_EQ, flag, flag))
    for request in _TERMINAL_INPUT:
        low = sc.Arg(1, sc.MASKED_EQ, 0xFFFFFFFF, request)
        program.add_rule(sc.ERRNO(errno.EPERM), "ioctl", low)
    for family in set(range(max(_FAMILIES))) - set(_FAMILIES):
        program.add_rule(sc.ERRNO(errno.EAFNOSUPPORT), "socket", sc.Arg(0, sc.EQ, family))
    beyond = sc.Arg(0, sc.GT, max(_FAMILIES))
    program.add_rule(sc.ERRNO(errno.EAFNOSUPPORT), "socket", beyond)
    other_than_routes = sc.Arg(2, sc.NE, 0)  # gloo asks for the addresses of the loopback
    netlink = sc.Arg(0, sc.EQ, socket.AF_NETLINK)
    program.add_rule(sc.ERRNO(errno.EAFNOSUPPORT), "socket", netlink, other_than_routes)
    return _exported(program)


@cache
def rank_filter() -> bytes:
    """Return the program for simulated ranks: reading files works, sharing anything does not."""
    import pyseccomp as sc

    program = _deny(sc, _SHARING)
    for flag in _FOR_WRITING:
        for call, at in (("open", 1), ("openat", 2)):
            program.add_rule(sc.ERRNO(errno.EPERM), call, sc.Arg(at, sc.MASKED_EQ, flag, flag))
    for command in _LOCKS_AND_SIGNALS:
        low = sc.Arg(1, sc.MASKED_EQ, 0xFFFFFFFF, command)
        program.add_rule(sc.ERRNO(errno.EPERM), "fcntl", low)
    return _exported(program)


def _deny(sc: Any, names: tuple[str, ...]) -> Any:
    program = sc.SyscallFilter(sc.ALLOW)
    for name in names:
        if sc.resolve_syscall(sc.Arch.NATIVE, name) != -1:  # newer than this libseccomp
            program.add_rule(sc.ERRNO(errno.EPERM), name)
    return program


def _exported(program: Any) -> bytes:
    with tempfile.TemporaryFile() as file:
        program.export_bpf(file)
        file.seek(0)
        return file.read()
