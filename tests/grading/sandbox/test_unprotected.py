"""`--unsafe-no-sandbox`: the same marks for code that does not resist, and everybody is told."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mlsys_lib.comm import PerRank
from mlsys_lib.grading.course import Course
from mlsys_lib.grading.faults import StudentFault
from mlsys_lib.grading.grade import grade
from mlsys_lib.grading.sandbox import UNSAFE, Limits, Sandbox, library_without
from mlsys_lib.grading.status import status
from tests.grading.small_course import ASSIGNMENT, RIGHT, WRONG, answer, make_course, submit

ROOT = Path(__file__).resolve().parents[3]
LIMITS = Limits(cell_s=1.0, submission_s=60.0, memory_bytes=2**28)
RING = """
def total(comm, x):
    out = x.copy()
    for step in range(1, comm.world_size):
        arrived = np.empty_like(x)
        there, here = (comm.rank + step) % comm.world_size, (comm.rank - step) % comm.world_size
        comm.send_recv(x, arrived, there, here)
        out += arrived
    return out
"""


def running(folder: Path) -> list[str]:
    """The processes of this computer, zombies aside, whose command line names `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder / "library").encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@pytest.fixture
def bare(tmp_path: Path):
    library = library_without(["mlsys_lib.collectives"], tmp_path / "library")
    with Sandbox(library, limits=LIMITS, user=UNSAFE) as unprotected:
        yield unprotected


def test_cells_functions_and_ranks_are_as_in_a_sandbox(bare: Sandbox) -> None:
    outcome = bare.run_cell("import numpy as np\nprint('hi')\ndef f(x): x += 1; return x", "a")
    assert (outcome.status, outcome.output) == ("graded", "hi\n")
    x = np.zeros(2)
    assert bare.value("f")(x).tolist() == x.tolist() == [1, 1]
    bare.run_cell(RING, "ring")
    run = bare.value("total").on_ranks(3, PerRank([np.full(2, 10.0**r) for r in range(3)]))
    assert [result.tolist() for result in run.results] == [[111, 111]] * 3
    assert run.ledger.total_bytes == 6 * 16


def test_what_is_withheld_is_not_there(bare: Sandbox) -> None:
    outcome = bare.run_cell("import mlsys_lib.collectives", "cheat")
    assert outcome.fault is not None and "withheld" in outcome.fault.message


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("while True: pass", "timeout"),
        ("import os; os._exit(3)", "died"),
        ("import numpy as np; np.ones(10 ** 10)", "memory"),
        ("import time, os\nfor _ in range(5):\n  if os.fork() == 0: time.sleep(60)\n1 / 0",
         "student_error"),
    ],
    ids=["loop", "exit", "memory", "children"],
)  # fmt: skip
def test_faults_end_alike_and_leave_nobody_running(
    bare: Sandbox, tmp_path: Path, source: str, expected: str
) -> None:
    assert running(tmp_path) == []
    assert bare.run_cell(source, "cell").status == expected
    bare.close()
    assert running(tmp_path) == []
    assert bare.run_cell("x = 1", "next").status == "graded"


def test_a_grader_that_is_killed_leaves_nobody_running(tmp_path: Path) -> None:
    code = f"""
import os, signal, threading
from pathlib import Path
from mlsys_lib.grading.sandbox import UNSAFE, Sandbox, library_without
box = Sandbox(library_without([], Path({str(tmp_path / "library")!r})), user=UNSAFE)
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGKILL)).start()
box.run_cell("while True: pass", "loop")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    deadline_s = time.monotonic() + 5
    while running(tmp_path) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert running(tmp_path) == []


def test_its_folder_goes_with_it(bare: Sandbox) -> None:
    bare.run_cell("import os\nhere = os.getcwd()\nopen('mine', 'w').close()", "cell")
    folder = Path(bare.value("here"))
    assert (folder / "mine").exists()
    bare.close()
    assert not folder.exists()


@pytest.fixture
def course(tmp_path: Path) -> Course:
    made = make_course(tmp_path)
    submit(made, "ada", answer(made, RIGHT))
    submit(made, "bob", answer(made, WRONG))
    return made


def test_marks_are_the_same_and_hold_until_there_is_a_sandbox(
    course: Course, sandbox_user: str | None
) -> None:
    assert grade(course, ASSIGNMENT, num_workers=1, sandbox_user=UNSAFE).graded == {"graded": 2}
    standing = status(course, ASSIGNMENT)
    assert [line.score for line in standing.lines] == [6, 0]
    assert str(standing).endswith("UTC, WITHOUT A SANDBOX")
    assert grade(course, ASSIGNMENT, num_workers=1, sandbox_user=UNSAFE).current == 2
    assert grade(course, ASSIGNMENT, num_workers=1, sandbox_user=sandbox_user).graded.total() == 2
    assert [line.score for line in status(course, ASSIGNMENT).lines] == [6, 0]
    assert str(status(course, ASSIGNMENT)).endswith("UTC")


def test_the_option_is_the_only_way_and_says_what_it_costs(course: Course) -> None:
    command = [sys.executable, "-m", "mlsys_lib.grading.cli", "grade", ASSIGNMENT]
    command += ["--course", str(course.root)]
    empty = {**os.environ, "PATH": str(course.root)}  # no bubblewrap here
    refused = subprocess.run(command, env=empty, capture_output=True, text=True)
    assert refused.returncode == 1 and "sudo apt-get install bubblewrap" in refused.stderr
    command.append("--unsafe-no-sandbox")
    done = subprocess.run(command, env=empty, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("WITHOUT A SANDBOX")
    both = subprocess.run([*command, "--sandbox-user", "nobody"], capture_output=True, text=True)
    assert both.returncode == 2 and "not allowed with" in both.stderr


def test_a_function_that_never_ends_is_stopped(bare: Sandbox) -> None:
    bare.run_cell("def loop():\n    while True: pass", "cell")
    with pytest.raises(StudentFault, match="stopped at its limit"):
        bare.value("loop")()
