"""Case 21: where no sandbox can be had, one clear line, the way out, and nothing is run."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mlsys_lib.grading.course import Course
from tests.grading.small_course import ASSIGNMENT, RIGHT, answer, make_course, submit

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "mlsys_lib.grading.cli", "grade", ASSIGNMENT]
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused for being root")


@pytest.fixture
def course(tmp_path: Path) -> Course:
    made = make_course(tmp_path)
    submit(made, "ada", answer(made, RIGHT))
    return made


def refusal(course: Course, path: str, *options: str) -> str:
    """Run `mlsys-grade grade` with this PATH; return the one line that it says."""
    before = {found: found.stat().st_mtime_ns for found in course.root.rglob("*")}
    done = subprocess.run(
        [*COMMAND, "--course", str(course.root), *options],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("mlsys-grade: ")
    assert done.stderr.count("\n") == 1
    after = {found: found.stat().st_mtime_ns for found in course.root.rglob("*")}
    assert after == before, "something was written"
    return done.stderr


@pytest.fixture
def user() -> tuple[str, ...]:
    return ("--sandbox-user", "nobody") if os.geteuid() == 0 else ()


def test_no_bubblewrap(course, tmp_path, user):
    (tmp_path / "bin").mkdir()
    line = refusal(course, str(tmp_path / "bin"), *user)
    assert "sudo apt-get install bubblewrap" in line


def test_user_namespaces_forbidden(course, user):
    said = "bwrap: No permissions to create new namespace"
    # Not below /tmp: there, the sandbox's own user sees an empty folder.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        wrapper = Path(folder) / "bwrap"
        wrapper.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
        wrapper.chmod(0o755)
        line = refusal(course, f"{folder}:{os.environ['PATH']}", *user)
    assert said in line
    assert "sudo sysctl -w kernel.unprivileged_userns_clone=1" in line


@AS_ROOT
def test_run_as_root(course):
    line = refusal(course, os.environ["PATH"])
    assert "run this as an ordinary user" in line
    assert "--sandbox-user nobody" in line


@AS_ROOT
def test_the_sandboxs_user_is_root_too(course):
    assert "must not be root" in refusal(course, os.environ["PATH"], "--sandbox-user", "root")
