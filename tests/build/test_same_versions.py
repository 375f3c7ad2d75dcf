"""Each version is said once, or said the same everywhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import resolve
import yaml

ROOT = Path(__file__).resolve().parents[2]


def pins(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {package.lower().replace("_", "-"): version for package, version in pairs}


def load(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_every_requirement_is_an_exact_version():
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            assert re.fullmatch(r"|#.*|-[cr] [\w.-]+\.txt|[\w.-]+==[\w.]+", line), line


def test_the_constraints_say_the_same_as_the_requirements():
    constraints = {
        name.replace(".", "-"): version for name, version in pins("constraints.txt").items()
    }
    for package, version in {**pins("requirements.txt"), **pins("requirements-dev.txt")}.items():
        assert constraints[package] == version


def test_pre_commit_runs_the_tools_of_the_environment():
    """A hook with a version of its own could disagree with `make check`."""
    for repository in load(".pre-commit-config.yaml")["repos"]:
        assert repository["repo"] == "local"
        for hook in repository["hooks"]:
            assert hook["language"] == "system"
            assert hook["entry"].startswith(".venv/bin/python -m ")


def test_the_supported_pythons_are_the_same_everywhere():
    supported = list(resolve.PYTHONS)
    assert (
        load(".github/workflows/test.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
        == supported
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    classifiers = [c.split(" :: ")[-1] for c in project["classifiers"] if "Python :: 3." in c]
    assert classifiers == supported
    assert project["requires-python"] == f">={supported[0]}"


def test_ci_runs_the_command_of_the_readme():
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"^make test$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.M)
    assert ".ci/run" in str(load(".github/workflows/test.yml"))
