"""What a hostile cell does, what becomes of it, and that the next cell runs."""

import hashlib
import os
import socket
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlsys_lib.grading.faults import StudentFault
from mlsys_lib.grading.sandbox import Limits, Outcome, Sandbox

CELL_S = 1.0
SMALL = Limits(cell_s=CELL_S, submission_s=600.0, memory_bytes=2**27, disk_bytes=2**22)
SLACK_S = 3.0  # to end a cell, on a machine that does other things at the same time


@pytest.fixture(scope="module")
def hostile(filtered_library: Path, sandbox_user: str | None):
    with Sandbox(filtered_library, limits=SMALL, user=sandbox_user) as shared:
        shared.run_cell("kept = 'from before'", "before")
        yield shared


@pytest.fixture(scope="module")
def patient(filtered_library: Path, sandbox_user: str | None):
    """It leaves a busy machine the time to fill the memory."""
    limits = replace(SMALL, cell_s=30.0)
    with Sandbox(filtered_library, limits=limits, user=sandbox_user) as shared:
        shared.run_cell("kept = 'from before'", "before")
        yield shared


def attack(sandbox: Sandbox, source: str) -> Outcome:
    """Run an attack, and see that the sandbox still works after it."""
    sandbox.begin_test()
    outcome = sandbox.run_cell(textwrap.dedent(source), "attack")
    assert sandbox.run_cell("after = 1", "next").status == "graded"
    assert sandbox.value("kept") == "from before"
    return outcome


def outside(command: str) -> list[str]:
    """The processes of this computer whose command line holds `command`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if command.encode() in path.read_bytes().replace(b"\0", b" "):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


# -- time -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "source",
    [
        "while True: pass",
        """
        while True:
            try:
                while True: pass
            except BaseException:
                pass
        """,
        """
        import signal, time
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(1000)
        """,
        "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
        "(10 ** 8) ** (10 ** 8)",
    ],
    ids=["endless loop", "swallowed interrupt", "ignored signals", "stopped", "one long operation"],
)
def test_what_does_not_end_is_stopped_at_its_limit(hostile: Sandbox, source: str) -> None:
    start_s = time.monotonic()
    outcome = hostile.run_cell(textwrap.dedent(source), "attack")
    assert outcome.status == "timeout"
    assert time.monotonic() - start_s < CELL_S + SLACK_S
    assert hostile.run_cell("after = 1", "next").status == "graded"


def test_the_calls_of_one_test_share_one_limit(hostile: Sandbox) -> None:
    hostile.run_cell("import time\ndef doze(): time.sleep(0.7)", "cell")
    hostile.begin_test()
    doze = hostile.value("doze")
    doze()
    with pytest.raises(StudentFault, match="limit of 1 s") as caught:
        doze()
    assert caught.value.status == "timeout"
    hostile.begin_test()
    hostile.value("doze")()


def test_a_submission_has_a_limit_of_its_own(
    filtered_library: Path, sandbox_user: str | None
) -> None:
    limits = Limits(cell_s=5.0, submission_s=0.5)
    with Sandbox(filtered_library, limits=limits, user=sandbox_user) as brief:
        assert brief.run_cell("while True: pass", "loop").status == "timeout"
        later = brief.run_cell("x = 1", "later")
    assert later.status == "timeout"
    assert "0.5 s for the whole submission" in str(later.fault)


# -- processes ------------------------------------------------------------------------------------
def test_a_fork_bomb_is_stopped_and_leaves_nothing(hostile: Sandbox) -> None:
    bomb = """
    import os
    while True:
        try:
            if os.fork() == 0:
                pass
        except OSError:
            pass
    """
    assert attack(hostile, bomb).status in ("timeout", "died")


def test_processes_left_behind_end_with_the_sandbox(
    filtered_library: Path, sandbox_user: str | None
) -> None:
    command = f"sleep 1000.{os.getpid()}"
    leave = f"import subprocess; subprocess.Popen({command.split()!r}, start_new_session=True)"
    with Sandbox(filtered_library, user=sandbox_user) as brief:
        assert brief.run_cell(leave, "leave").status == "graded"
        deadline_s = time.monotonic() + 10  # a process that has just begun shows no command line
        while len(outside(command)) != 1 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert len(outside(command)) == 1
    assert outside(command) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import os; os._exit(3)", "exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("import ctypes; ctypes.string_at(8)", "SIGSEGV"),
        ("import os; os.kill(os.getppid(), 9)", ""),
        ("import os; os.kill(1, 9); os.kill(-1, 9)", ""),
        ("import os; [os.close(fd) for fd in range(3, 20)]", ""),
        ("import os\nif os.fork() == 0:\n    import time; time.sleep(100)\nos._exit(4)", "code 4"),
    ],
    ids=["exit", "kill", "segfault", "parent", "everybody", "descriptors", "a child remains"],
)
def test_what_ends_its_process_died(hostile: Sandbox, source: str, words: str) -> None:
    outcome = attack(hostile, source)
    assert outcome.status == "died"
    assert words in str(outcome.fault)


def test_a_function_that_ends_its_process_fails_that_call_only(hostile: Sandbox) -> None:
    hostile.run_cell("import os\ndef leave(): os._exit(0)\ndef stay(): return 1", "cell")
    hostile.begin_test()
    leave, stay = hostile.value("leave"), hostile.value("stay")
    with pytest.raises(StudentFault, match="exit code 0"):
        leave()
    assert stay() == 1


def test_a_child_of_a_student_does_not_answer_in_its_place(hostile: Sandbox) -> None:
    outcome = attack(hostile, "import os\nif os.fork() == 0:\n    kept = 'by the child'")
    assert outcome.status == "graded"


@pytest.mark.parametrize("source", ["import sys; sys.exit()", "raise KeyboardInterrupt"])
def test_leaving_a_cell_is_an_error_of_the_cell(hostile: Sandbox, source: str) -> None:
    assert attack(hostile, source).status == "student_error"


# -- memory and disk ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np; np.ones(10 ** 10)",
        "import numpy as np; np.ones(2 ** 25)",
        "b = bytearray()\nwhile True: b += bytes(10 ** 6)",
        """
        import mmap, time
        shared = mmap.mmap(-1, 2 ** 28)  # shared memory, which no limit of a process counts
        for start in range(0, 2 ** 28, 4096):
            shared[start] = 1
        time.sleep(100)
        """,
        """
        import os, time
        for child in range(6):
            if os.fork() == 0:
                filled = b"x" * (2 ** 25)
                time.sleep(100)
        time.sleep(100)
        """,
        "open('/tmp/full', 'wb').write(bytes(2 ** 23))",
        "for n in range(9): open(f'/tmp/full{n}', 'wb').write(bytes(2 ** 20))",
        "for n in range(10 ** 6): open(f'/tmp/{n}', 'w').close()",
        """
        import os, socket, time
        for child in range(4):
            if os.fork() == 0:
                pairs = [socket.socketpair() for _ in range(200)]
                time.sleep(100)
        time.sleep(100)
        """,
    ],
    ids=[
        "far too much",
        "an array",
        "growth",
        "shared",
        "children",
        "a file",
        "files",
        "files of nothing",
        "sockets",
    ],
)
def test_too_much_memory_or_disk_is_memory(patient: Sandbox, source: str) -> None:
    assert attack(patient, source).status == "memory"


def test_memory_is_watched_while_nobody_waits_for_the_sandbox(
    filtered_library: Path, sandbox_user: str | None
) -> None:
    grow = """
    import threading, time
    def grow():
        import mmap
        time.sleep(0.2)
        global shared
        shared = mmap.mmap(-1, 2 ** 28)
        for start in range(0, 2 ** 28, 4096):
            shared[start] = 1
        time.sleep(100)
    threading.Thread(target=grow, daemon=True).start()
    """
    with Sandbox(filtered_library, limits=SMALL, user=sandbox_user) as brief:
        brief.run_cell(textwrap.dedent(grow), "grow")
        init = brief._processes._nurseries["main"]._namespace.init
        deadline_s = time.monotonic() + 10
        while Path(f"/proc/{init}").exists() and time.monotonic() < deadline_s:
            if Path(f"/proc/{init}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                break
            time.sleep(0.05)
        else:
            assert not Path(f"/proc/{init}").exists()


# -- output ---------------------------------------------------------------------------------------
def test_output_is_cut_and_the_rest_is_thrown_away(hostile: Sandbox) -> None:
    print_a_lot = "import os\nfor _ in range(200): os.write(1, b'x' * 2 ** 20)"
    output = attack(hostile, print_a_lot).output
    assert len(output) < SMALL.output_bytes + 100
    assert output.endswith("x\n… cut at 1 MiB")


def test_output_that_is_no_text_is_kept_as_far_as_it_is(hostile: Sandbox) -> None:
    source = r"import sys, os; os.write(1, b'\xff\x1b[31m<script>'); sys.stderr.write('and\udc80')"
    assert attack(hostile, source).output == "\ufffd\x1b[31m<script>and\\udc80"


def test_a_replaced_or_closed_stdout_harms_only_its_own_output(hostile: Sandbox) -> None:
    assert attack(hostile, "import sys; sys.stdout = None; sys.stderr = 3").status == "graded"
    attack(hostile, "import sys; sys.__stdout__.close()")


# -- reading and writing outside ------------------------------------------------------------------
def test_nothing_of_the_grader_can_be_seen(hostile: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "hidden_tests.py").write_text("secret")
    look = f"""
    import glob, os, stat
    seen = sorted(os.listdir("/"))
    processes = glob.glob("/proc/[0-9s]*")
    environment = sorted(os.environ)
    descriptors = []
    for fd in range(1024):
        try:
            descriptors.append((fd, stat.S_IFMT(os.fstat(fd).st_mode) == stat.S_IFSOCK))
        except OSError:
            pass
    there = [path for path in ({str(tmp_path)!r}, {str(Path.cwd())!r}, {str(Path.home())!r},
             "/etc/passwd", "/var", "/sys", "/run", "/mnt") if os.path.exists(path + "/.")
             and (os.listdir(path) if os.path.isdir(path) else True)]
    notebooks = [f for top in ("/tmp", "/library", "/dev") for f in
                 glob.glob(top + "/**/*", recursive=True) if "ipynb" in f or "hidden" in f]
    """
    assert attack(hostile, look).status == "graded"
    hostile.begin_test()
    assert set(hostile.value("seen")) <= {
        "bin", "dev", "etc", "lib", "lib32", "lib64", "library", "proc", "site", "tmp", "usr",
        Path(os.sys.base_prefix).parts[1],
    }  # fmt: skip
    assert hostile.value("processes") == ["/proc/stat"][:0]
    assert "MLSYS_SECRET" not in hostile.value("environment")
    assert hostile.value("descriptors") == [(0, False), (1, False), (2, False), (3, True)]
    assert set(hostile.value("there")) <= {str(Path.home())}
    assert hostile.value("notebooks") == []


def test_the_grader_and_its_functions_are_not_in_the_library(hostile: Sandbox) -> None:
    for module in ("grading.checking", "grading.public", "grading.sandbox.session", "plots", "run"):
        outcome = hostile.run_cell(f"import mlsys_lib.{module}", "import")
        assert outcome.fault is not None
        assert outcome.fault.kind == "ModuleNotFoundError"


def test_no_frame_of_a_worker_holds_more_than_the_call(hostile: Sandbox) -> None:
    spy = """
    import sys
    def spy(x):
        frame, seen = sys._getframe(1), []
        while frame:
            seen += [str(v) for v in frame.f_locals.values() if isinstance(v, (int, str, dict))]
            frame = frame.f_back
        return "\\n".join(seen)
    """
    hostile.run_cell(textwrap.dedent(spy), "spy")
    hostile.begin_test()
    expected = 987654321  # what a test would compare with
    assert str(expected) not in hostile.value("spy")(np.ones(2))


def fingerprint(folder: Path) -> str:
    words = [
        f"{path.relative_to(folder)} {path.lstat().st_mode} "
        + (path.read_bytes().hex() if path.is_file() else "")
        for path in sorted(folder.rglob("*"))
    ]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def test_nothing_outside_can_be_written_or_deleted(
    hostile: Sandbox, filtered_library: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "marks").write_text("5")
    (tmp_path / "marks").chmod(0o666)
    before = fingerprint(tmp_path), fingerprint(filtered_library)
    destroy = f"""
    import os, shutil, sysconfig
    done = []
    for path in ({str(tmp_path)!r}, "/library", "/site", "/usr/lib", "/", "/dev", "/proc",
                 os.path.dirname(os.__file__), "/tmp/../library", "/tmp/link"):
        for act in (lambda: os.makedirs(path), lambda: open(path + "/mine", "w").write("x"),
                    lambda: open(path + "/marks", "w").write("100"), lambda: os.remove(path),
                    lambda: os.symlink("/library", "/tmp/link"), lambda: os.chmod(path, 0o777),
                    lambda: os.rename(path, "/tmp/taken"), lambda: os.utime(path)):
            try:
                act()
                done.append(path)
            except OSError:
                pass
        if path.count("/") > 1 and path != "/usr/lib":
            shutil.rmtree(path, ignore_errors=True)
    """
    attack(hostile, destroy)
    assert (fingerprint(tmp_path), fingerprint(filtered_library)) == before


def test_nothing_outside_hears_of_it_by_network(hostile: Sandbox) -> None:
    name = f"\0mlsys-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        abstract.bind(name)
        abstract.listen()
        port = server.getsockname()[1]
        call = f"""
        import socket
        reached = []
        for family, address in ((socket.AF_INET, ("127.0.0.1", {port})),
                                (socket.AF_INET, ("10.0.0.1", 80)), (socket.AF_UNIX, {name!r})):
            try:
                with socket.socket(family) as s:
                    s.settimeout(0.3)
                    s.connect(address)
                    reached.append(str(address))
            except OSError:
                pass
        try:
            reached.append(socket.gethostbyname("example.org"))
        except OSError:
            pass
        """
        assert attack(hostile, call).status == "graded"
        server.settimeout(0.01)
        abstract.settimeout(0.01)
        for listener in (server, abstract):
            with pytest.raises(TimeoutError):
                listener.accept()
    hostile.begin_test()
    assert hostile.value("reached") == []


@pytest.mark.parametrize(
    "call",
    [
        "libc.ptrace(0, 0, 0, 0)", "libc.unshare(0x10000000)", "libc.setns(0, 0)",
        "libc.mount(b'x', b'/tmp', b'tmpfs')", "libc.memfd_create(b'x', 0)",
        "libc.shmget(0, 4096, 0o1777)", "libc.syscall(425, 1, 0)",
        "libc.syscall(321, 0, 0, 0)", "libc.syscall(248, b'', b'', 0, 0)",
        "libc.socket(40, 1, 0)", "libc.socket(38, 5, 0)", "libc.socket(16, 3, 4)",
        "libc.chroot(b'/tmp')", "libc.setuid(0)",
    ],
)  # fmt: skip
def test_system_calls_that_no_exercise_needs_are_refused(hostile: Sandbox, call: str) -> None:
    source = f"import ctypes; libc = ctypes.CDLL(None); answer = {call}"
    assert attack(hostile, source).status == "graded"
    hostile.begin_test()
    assert hostile.value("answer") == -1


# -- the interpreter ------------------------------------------------------------------------------
def test_patched_modules_do_not_change_an_answer(hostile: Sandbox) -> None:
    patch = """
    import ast, builtins, json, os, socket, struct, sys, unittest
    import numpy as np
    np.testing.assert_allclose = np.array_equal = np.empty = lambda *a, **k: True
    builtins.len = builtins.isinstance = builtins.type = lambda *a: 0
    builtins.enumerate = builtins.zip = None
    os.readv = os.writev = os.getpid = socket.socket = struct.Struct = json.dumps = None
    sys.modules["numpy"] = sys.modules["mlsys_lib"] = None
    sys.setrecursionlimit(50)
    sys.settrace(lambda *a: 1 / 0)
    def double(x): return [x + x]
    """
    assert attack(hostile, patch).fault is None
    hostile.begin_test()
    answer = hostile.value("double")(np.arange(3.0))
    assert answer[0].tolist() == [0.0, 2.0, 4.0]
    hostile.close()


LIES = {
    "a list that lies": "class L(list):\n    __eq__ = lambda s, o: True\nlie = L()",
    "an int that lies": "class I(int):\n    __eq__ = lambda s, o: True\nlie = I(3)",
    "an array that lies": """
        import numpy as np
        class A(np.ndarray):
            def __array_function__(self, *a): return True
            __eq__ = lambda s, o: True
        lie = np.zeros(3).view(A)
    """,
    "an object": "class O:\n    __eq__ = lambda s, o: True\nlie = [O()]",
    "objects in an array": "import numpy as np; lie = np.array([object()])",
    "records": "import numpy as np; lie = np.zeros(2, 'i4,f8')",
    "a name that lies": """
        class M(type):
            __name__ = property(lambda c: 1 / 0)
            __call__ = None
        class L(metaclass=M): pass
        lie = [L]
    """,
    "a list that holds itself": "lie = []; lie.append(lie)",
    "a deep tuple": "lie = ()\nfor _ in range(100): lie = (lie,)",
    "a set": "lie = {1}",
    "a generator": "lie = (i for i in range(3))",
    "a huge int": "lie = 1 << 10000",
    "no text": "lie = '\\ud800'",
    "too many": "lie = [0] * 10 ** 6",
    "a key that lies": "class K(str):\n    __hash__ = lambda s: 0\nlie = {K('a'): 1}",
    "a matrix": "import numpy as np; lie = np.ma.masked_array([1, 2])",
}


@pytest.mark.parametrize("source", LIES.values(), ids=LIES.keys())
def test_what_is_not_plain_data_is_refused(hostile: Sandbox, source: str) -> None:
    source = textwrap.dedent(source) + "\ndef tell(): return lie"
    attack(hostile, source)
    hostile.begin_test()
    for read in (lambda: hostile.value("tell")(), lambda: hostile.value("lie")):
        with pytest.raises(StudentFault, match="not plain data") as caught:
            read()
        assert caught.value.status == "student_error"


def test_numbers_that_are_none_and_infinite_arrive_as_they_are(hostile: Sandbox) -> None:
    hostile.run_cell("odd = [float('nan'), float('-inf'), -0.0, 2 ** 200, True, 1]", "cell")
    nan, inf, zero, large, true, one = hostile.value("odd")
    assert nan != nan
    assert (inf, large) == (float("-inf"), 2**200)
    assert np.signbit(zero)
    assert (type(true), type(one)) == (bool, int)


# -- forged frames --------------------------------------------------------------------------------
FORGED = {
    "noise": "os.write(3, b'noise' * 100)",
    "a forged answer": "os.write(3, b''.join(plain.frame(1, ('result', 1, ()))))",
    "the next answer": "[os.write(3, b''.join(plain.frame(n, ('done',)))) for n in range(99)]",
    "a huge header": "os.write(3, plain.HEADER.pack(plain.MAGIC, N, 2 ** 31, 2 ** 62))",
    "a huge array": "forge(b't' + (3).to_bytes(4, 'little') + plain.encode('result')[0]"
    " + b'a' + bytes([11, 1]) + (2 ** 40).to_bytes(8, 'little') + b't' + bytes(4))",
    "a huge list": "forge(b'l' + b'\\xff' * 4)",
    "deep lists": "forge(b'l\\x01\\0\\0\\0' * 5000)",
    "not UTF-8": "forge(b's\\x01\\0\\0\\0\\xff')",
    "half a frame": "os.write(3, plain.HEADER.pack(plain.MAGIC, N, 100, 0)); os._exit(0)",
    "another answer": "forge(plain.encode(('plain', 1))[0])",
    "no fault": "forge(plain.encode(('fault', 'graded', 1, 2, 3, 4))[0])",
    "a bool of 7": "forge(b'n\\0\\x07')",
    "a change that is none": "forge(plain.encode(('result', 1, ((7, 8),)))[0])",
}


@pytest.mark.parametrize("source", FORGED.values(), ids=FORGED.keys())
def test_a_forged_frame_ends_the_worker_that_sent_it(hostile: Sandbox, source: str) -> None:
    forge = f"""
    import os, sys
    from mlsys_lib.grading import plain
    def attack(x):
        frame = sys._getframe()
        while "self" not in frame.f_locals: frame = frame.f_back
        N = frame.f_locals["self"]._channel.number
        def forge(tree): os.write(3, plain.HEADER.pack(plain.MAGIC, N, len(tree), 0) + tree)
        {source}
        return 1
    def work(x): return x
    """
    hostile.run_cell(textwrap.dedent(forge), "forge")
    hostile.begin_test()
    function = hostile.value("attack")
    try:
        function(np.ones(3))
        hostile.value("work")(1)  # an answer too many belongs to the next question
    except StudentFault as fault:
        assert fault.status == "died"
    else:
        assert "forge(" not in source
    hostile.begin_test()
    assert hostile.value("work")(2) == 2


def test_ranks_live_apart_from_what_cells_leave_behind(
    filtered_library: Path, sandbox_user: str | None
) -> None:
    cells = """
    import os
    try:
        open("/tmp/seen", "w").close()
    except OSError:
        pass
    def look(comm, x):
        return float(os.path.exists("/tmp/seen"))
    def here(x):
        return float(os.path.exists("/tmp/seen"))
    """
    with Sandbox(filtered_library, limits=SMALL, user=sandbox_user) as brief:
        assert brief.run_cell(textwrap.dedent(cells), "cells").status == "graded"
        assert brief.value("here")(1.0) == 1.0
        assert brief.value("look").on_ranks(2, 1.0).results == (0.0, 0.0)


def test_starting_again_takes_of_the_submissions_time(
    filtered_library: Path, sandbox_user: str | None
) -> None:
    limits = Limits(cell_s=1.0, submission_s=1.0)
    with Sandbox(filtered_library, limits=limits, user=sandbox_user) as brief:
        statuses = [brief.run_cell("import os; os._exit(0)", "end").status for _ in range(40)]
    assert statuses[0] == "died" and statuses[-1] == "timeout"


def test_a_cell_that_ends_once_and_not_again_is_the_only_one_left_out(
    filtered_library: Path, sandbox_user: str | None
) -> None:
    def once(name: str, end: str) -> str:
        return f"import os, time\nif time.time() > {stop_s}: {end}\n{name} = 1"

    stop_s = time.time() + 3.0
    with Sandbox(filtered_library, limits=Limits(cell_s=1.0), user=sandbox_user) as brief:
        cells = [
            "first = 1",
            once("second", "os._exit(0)"),
            "third = 1",
            once("fourth", "time.sleep(9)"),
            "fifth = 1 / 0",
            "sixth = 1\ndef end(): os._exit(0)",
        ]
        statuses = [brief.run_cell(source, f"cell {i}").status for i, source in enumerate(cells)]
        assert statuses == ["graded"] * 4 + ["student_error", "graded"]
        time.sleep(max(0.0, stop_s - time.time()))
        with pytest.raises(StudentFault, match="exit code 0"):
            brief.value("end")()
        assert [brief.value(name) for name in ("first", "third", "sixth")] == [1, 1, 1]
        for name in ("second", "fourth"):
            with pytest.raises(StudentFault, match="is not defined"):
                brief.value(name)
