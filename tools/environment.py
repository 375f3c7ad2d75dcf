"""Make `.venv` hold exactly what the requirement files say, or say in one sentence why not.

Called by `make` before everything else. The stamp is written last, so an interrupted install
is never taken for a finished one; while stamp and requirements agree, this does nothing.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed"
LOG = ROOT / "install.log"
INPUTS = ("requirements.txt", "requirements-dev.txt", "constraints.txt", "pyproject.toml")
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
NEXT_TO_NOTHING_BYTES = 10_000_000

NO_NETWORK = (
    "The package index cannot be reached: check the network (or your proxy and pip settings), "
    "then run the same command again."
)
DISK_FULL = (
    "The disk is full: free about 3 GB (10 GB for PyTorch with CUDA), "
    "then run the same command again."
)
NO_VENV = (
    "This Python cannot make virtual environments: install its venv module "
    "(on Debian and Ubuntu `apt install python3-venv`), then run the same command again."
)
SYMPTOMS = (
    (DISK_FULL, ("no space left on device", "errno 28", "disk quota exceeded")),
    (NO_VENV, ("ensurepip is not available", "no module named venv", "no module named ensurepip")),
    (
        NO_NETWORK,
        (
            "newconnectionerror",
            "failed to establish a new connection",
            "name resolution",
            "connecttimeouterror",
            "readtimeouterror",
            "proxyerror",
            "connection refused",
            "network is unreachable",
            "(from versions: none)",  # the index knows a pinned package by no version at all
        ),
    ),
)


class SetupError(Exception):
    """A reason, in one sentence, why there is no environment."""


def stamp_text() -> str:
    """Everything that, when it changes, makes the installed environment the wrong one."""
    digest = hashlib.sha256()
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    version = ".".join(map(str, sys.version_info[:2]))
    return f"python {version}\nroot {ROOT}\nrequirements {digest.hexdigest()}\n"


def explain(log_text: str) -> str:
    """Turn the log of a failed step into the one sentence that helps."""
    if shutil.disk_usage(ROOT).free < NEXT_TO_NOTHING_BYTES:
        return DISK_FULL  # and so full, perhaps, that the log could not be written either
    lowered = log_text.lower()
    for sentence, symptoms in SYMPTOMS:
        if any(symptom in lowered for symptom in symptoms):
            return sentence
    return "The packages could not be installed; the last lines of the log say why."


def run_logged(command: list[str]) -> None:
    """Run `command` with its output in the log; SetupError says what to do if it fails."""
    # PIP_USER in a person's settings would send the packages out of the environment.
    environment = {**os.environ, "PIP_USER": "0", "PYTHONNOUSERSITE": "1"}
    with LOG.open("a", encoding="utf-8") as log:
        failed = subprocess.run(command, stdout=log, stderr=log, env=environment).returncode != 0
    if failed:
        raise SetupError(explain(LOG.read_text(encoding="utf-8", errors="replace")))


def pip_options() -> list[str]:
    """Options that the reader asked for: TORCH=cpu, and anything in PIP_EXTRA."""
    torch = os.environ.get("TORCH", "")
    if torch not in ("", "cpu"):
        raise SetupError(f"TORCH must be `cpu` or not set at all, got {torch!r}.")
    options = ["--extra-index-url", TORCH_CPU_INDEX] if torch == "cpu" else []
    return options + os.environ.get("PIP_EXTRA", "").split()


def has_pip(version_line: str) -> bool:
    """Whether `.venv` is of this Python and this place, with a pip that runs."""
    made_for = VENV / "made-for"
    if not made_for.is_file() or made_for.read_text(encoding="utf-8") != version_line:
        return False
    answer = subprocess.run([str(PYTHON), "-m", "pip", "--version"], capture_output=True)
    return answer.returncode == 0


def install(stamp: str) -> None:
    """Create `.venv` where there is none that fits, fill it, and write the stamp last."""
    options = pip_options()
    STAMP.unlink(missing_ok=True)
    LOG.write_text("", encoding="utf-8")
    made_for = stamp.rsplit("requirements", 1)[0]
    if not has_pip(made_for):
        # From inside .venv, clearing it would pull the interpreter from under our feet.
        base = getattr(sys, "_base_executable", sys.executable)
        run_logged([base, "-m", "venv", "--clear", str(VENV)])
        (VENV / "made-for").write_text(made_for, encoding="utf-8")
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    run_logged([*pip, "--retries", "2", *options, "-r", str(ROOT / "requirements-dev.txt")])
    run_logged([*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
    STAMP.write_text(stamp, encoding="utf-8")


def main() -> int:
    """Do what is missing; the exit status is 1 if it could not be done."""
    stamp = stamp_text()
    if STAMP.is_file() and STAMP.read_text(encoding="utf-8") == stamp and PYTHON.exists():
        return 0
    print(f"Installing the packages into .venv (a few minutes; details in {LOG.name}) ...")
    sys.stdout.flush()
    try:
        install(stamp)
    except SetupError as error:
        print(f"{error} (Log: {LOG.name})", file=sys.stderr)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(DISK_FULL, file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped before the end: run the same command again to go on.", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
