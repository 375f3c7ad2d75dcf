"""What worker processes do in tests; they start afresh, so this imports little."""

import os
import signal
import time
from pathlib import Path

from mlsys_lib.grading.job import Job
from mlsys_lib.grading.verdict import Verdict


def double(item: int) -> int:
    return 2 * item


def misbehave(item: str) -> str:
    """Do what `item` says, and answer if that leaves us alive."""
    if item == "raise":
        raise KeyError("no such thing")
    if item == "exit":
        os._exit(3)
    if item == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "hang":
        time.sleep(600)
    if item == "hoard":
        bytes(2**30)
    return item.upper()


def wait(folder: Path) -> None:
    """Leave our process id in `folder`, and stay."""
    (folder / str(os.getpid())).touch()
    time.sleep(600)


def told(job: Job, student: str) -> Verdict:
    """Return the verdict that lies in ``told/`` of the course, as if it took a while.

    The submission's text may ask for something else, as `misbehave` knows it, or "note" that it
    was looked at.
    """
    asked = job.course.submitted(job.assignment, student).read_text()
    with (job.course.root / "looked-at").open("a") as file:
        file.write(f"{student}\n")
    misbehave(asked)
    time.sleep(0.02)
    told = job.course.root / "told" / f"{student}.json"
    return Verdict.from_json(told.read_text())
