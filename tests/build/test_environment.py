"""What goes wrong on a bare machine ends in one sentence that says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import environment
import pytest

ROOT = environment.ROOT


@pytest.fixture
def clone(tmp_path):
    """What `make` needs of the repository, without its environment."""
    for name in (*environment.INPUTS, "Makefile"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    return tmp_path


def make(clone, *arguments, **variables):
    outside = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON", "TORCH", "PIP_EXTRA")
    inherited = {name: value for name, value in os.environ.items() if name not in outside}
    return subprocess.run(
        ["make", "environment", *arguments],
        cwd=clone, env={**inherited, **variables}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def told(answer):
    """The lines for the reader: without make's own last word."""
    return [line for line in answer.stderr.splitlines() if not line.startswith("make")]


def stub(folder: Path, name: str, script: str) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return str(folder)


OLD_PYTHON = 'case "$2" in *print*) echo Python 3.9;; *) exit 1;; esac'


def test_a_python_that_is_too_old(clone, tmp_path):
    path = stub(tmp_path / "bin", "python3.9", OLD_PYTHON) + os.pathsep + os.environ["PATH"]
    answer = make(clone, PYTHON="python3.9", PATH=path)
    assert answer.returncode != 0
    (sentence,) = told(answer)
    assert sentence.startswith(
        "The course needs Python 3.11 or newer, and python3.9 is Python 3.9:"
    )
    assert "install one from" in sentence


def test_no_python_at_all(clone, tmp_path):
    path = stub(tmp_path / "bin", "unused", "")
    for tool in ("sh", "make"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    answer = make(clone, PATH=path)
    (sentence,) = told(answer)
    assert "python3 is not there" in sentence


def test_an_old_python3_is_no_obstacle_where_a_newer_one_is_on_the_path(clone, tmp_path):
    folder = tmp_path / "bin"
    stub(folder, "python3", OLD_PYTHON)
    path = stub(folder, "python3.12", 'case "$1" in -c) exit 0;; *) echo chosen "$1";; esac')
    answer = make(clone, PATH=path + os.pathsep + os.environ["PATH"])
    assert answer.stdout.strip() == "chosen tools/environment.py"


def test_no_network(clone):
    closed = "http://127.0.0.1:9/simple"
    answer = make(
        clone, PYTHON=sys.executable, PIP_INDEX_URL=closed, PIP_CONFIG_FILE=os.devnull,
        PIP_FIND_LINKS="", PIP_NO_CACHE_DIR="1", PIP_EXTRA="--retries 1",
    )  # fmt: skip
    assert answer.returncode != 0
    assert told(answer) == [f"{environment.NO_NETWORK} (Log: install.log)"]
    assert not (clone / ".venv" / "installed").exists(), "half an environment is not taken for one"


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", environment.DISK_FULL),
        ("Failed to establish a new connection: [Errno 111]", environment.NO_NETWORK),
        ("Error: ensurepip is not available", environment.NO_VENV),
    ],
)
def test_the_cause_is_found_in_the_log(printed, sentence, monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "LOG", tmp_path / "install.log")
    command = [sys.executable, "-c", f"print({printed!r}); raise SystemExit(1)"]
    with pytest.raises(environment.SetupError) as caught:
        environment.run_logged(command)
    assert str(caught.value) == sentence


def test_a_disk_too_full_for_a_log_is_seen_as_such(monkeypatch):
    monkeypatch.setattr(environment, "NEXT_TO_NOTHING_BYTES", 10**18)
    assert environment.explain("") == environment.DISK_FULL


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """The module, looking at an empty folder."""
    for name in environment.INPUTS:
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    for name, value in {
        "VENV": ".venv",
        "PYTHON": ".venv/bin/python",
        "STAMP": ".venv/installed",
        "LOG": "install.log",
    }.items():
        monkeypatch.setattr(environment, name, tmp_path / value)
    return tmp_path


def pretend_to_install(command):
    environment.PYTHON.parent.mkdir(parents=True, exist_ok=True)
    environment.PYTHON.touch()


def test_a_second_run_does_nothing_until_a_requirement_changes(fresh, monkeypatch):
    commands = []
    monkeypatch.setattr(
        environment, "run_logged", lambda command: (commands.append(command), pretend_to_install(0))
    )
    monkeypatch.setattr(environment, "has_pip", lambda made_for: environment.PYTHON.exists())
    assert environment.main() == 0
    first = len(commands)
    assert first == 3, "make it, fill it, add the library"
    assert environment.main() == 0
    assert len(commands) == first
    (fresh / "constraints.txt").write_text("numpy==1")
    assert environment.main() == 0
    assert len(commands) == first + 2


@pytest.mark.parametrize(
    "fault", [KeyboardInterrupt(), environment.SetupError("No."), OSError(28, "")]
)
def test_an_install_that_did_not_end_is_not_taken_for_one_that_did(
    fresh, monkeypatch, capsys, fault
):
    def stop(command):
        pretend_to_install(command)
        raise fault

    monkeypatch.setattr(environment, "run_logged", stop)
    assert environment.main() == 1
    assert not environment.STAMP.exists()
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_torch_is_cpu_or_not_said(monkeypatch):
    monkeypatch.setenv("TORCH", "cuda")
    with pytest.raises(
        environment.SetupError, match="TORCH must be `cpu` or not set at all, got 'cuda'"
    ):
        environment.pip_options()
    monkeypatch.setenv("TORCH", "cpu")
    assert environment.pip_options() == ["--extra-index-url", environment.TORCH_CPU_INDEX]
