"""The page *For instructors* tells the truth: its rehearsal is carried out, command by command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "chapters" / "for_instructors.md").read_text(encoding="utf-8")
STEP = re.compile(r"^```(?P<kind>python|sh|console)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = "/home/you/rehearsal"  # what the page calls the folder


def steps() -> list[tuple[str, str]]:
    """The blocks of the rehearsal, in order: kind and text."""
    rehearsal = PAGE.split("\n## A rehearsal\n")[1].split("\n## Marks by hand\n")[0]
    return [(step["kind"], step["text"]) for step in STEP.finditer(rehearsal)]


def commands_of(console: str) -> list[tuple[str, str]]:
    """The commands of a console, each with what it prints."""
    blocks = re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]
    return [(command, shown) for command, _, shown in (b.partition("\n") for b in blocks)]


def timeless(text: str) -> str:
    """The text without what is another every time."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE", text)
    return re.sub(r"\b[\d.]+ s\b", "N s", text).strip()


class Instructor:
    """Somebody at a shell in an empty folder."""

    def __init__(self, folder: Path, sandbox_user: str | None) -> None:
        self.folder = folder / "rehearsal"
        self.folder.mkdir()
        commands = folder / "bin"
        commands.mkdir()
        as_user = f"--sandbox-user {sandbox_user}" if sandbox_user else ""
        for name, line in {
            "python": f'exec {sys.executable} "$@"',
            # The page speaks to an ordinary user; root must name one.
            "mlsys-grade": f"""\
case $1 in verify|grade) as_user="{as_user}";; esac
exec {sys.executable} -m mlsys_lib.grading.cli "$@" $as_user""",
        }.items():
            (commands / name).write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
            (commands / name).chmod(0o755)
        paths = {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        self.environment = os.environ | paths

    def type(self, line: str) -> str:
        """Return what the shell shows."""
        shell = subprocess.run(
            ["sh", "-c", line],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return shell.stdout.replace(str(self.folder), ELSEWHERE)


@pytest.fixture(scope="module")
def instructor(tmp_path_factory: pytest.TempPathFactory, sandbox_user: str | None) -> Instructor:
    return Instructor(tmp_path_factory.mktemp("instructor"), sandbox_user)


def test_every_command_of_the_rehearsal_shows_what_the_page_shows(instructor):
    kinds = [kind for kind, _ in steps()]
    assert kinds.count("python") == 1 and kinds.count("sh") == 1 and kinds.count("console") >= 4
    for kind, text in steps():
        if kind == "python":
            (instructor.folder / "new_exercise.py").write_text(text, encoding="utf-8")
        elif kind == "sh":
            assert instructor.type(text) == ""
        else:
            for command, shown in commands_of(text):
                assert timeless(instructor.type(command)) == timeless(shown), command


def test_the_private_test_of_the_page_counts(instructor):
    """Ben's means of large numbers are exact, so his points stay; with another hint they go."""
    section = PAGE.split("\n## Secrets")[1].split("\n## ")[0]
    (private,) = re.findall(r"^  ```python\n(.*?)^  ```$", section, re.MULTILINE | re.DOTALL)
    private = "\n".join(line.removeprefix("  ") for line in private.splitlines())
    path = instructor.folder / "private" / "averages" / "running_mean_hidden.py"
    path.parent.mkdir(parents=True)
    points = []
    for text in (private, private.replace("500000000.5", "0.0")):
        path.write_text(text, encoding="utf-8")
        instructor.type("mlsys-grade grade averages --student ben")
        with Gradebook(f"sqlite:///{instructor.folder}/gradebook.db") as book:
            points.append(book.find_submission("averages", "ben").score)
    assert points == [3, 1]
