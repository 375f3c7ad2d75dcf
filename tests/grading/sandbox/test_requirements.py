"""Where no sandbox can be had, one line says why, and what to do."""

import os
import shutil
import sys

import pytest

from mlsys_lib.grading.sandbox import Limits, NoSandboxError, require_sandbox, requirements


@pytest.fixture(autouse=True)
def forgotten():
    """What was found out before does not count, nor does what is found out here."""
    requirements._problem.cache_clear()
    yield
    requirements._problem.cache_clear()


def problem(user: str | None) -> str:
    with pytest.raises(NoSandboxError) as caught:
        require_sandbox(user)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_it_needs_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "use a Linux virtual machine" in problem(None)


def test_it_needs_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "sudo apt-get install bubblewrap" in problem(None)


def test_it_needs_pyseccomp(monkeypatch: pytest.MonkeyPatch, sandbox_user: str | None) -> None:
    requirements._problem.cache_clear()
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    assert "pip install" in problem(sandbox_user)


def test_root_must_name_another_user(
    monkeypatch: pytest.MonkeyPatch, sandbox_user: str | None
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    requirements._problem.cache_clear()
    assert "--sandbox-user nobody" in problem(None)
    assert "must not be root" in problem("root")
    assert "no user 'who-is-that'" in problem("who-is-that")


def test_only_root_can_name_another_user(
    monkeypatch: pytest.MonkeyPatch, sandbox_user: str | None
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    requirements._problem.cache_clear()
    assert "leave out --sandbox-user" in problem("nobody")


def test_a_kernel_that_refuses_is_quoted_with_the_setting_that_allows(
    monkeypatch: pytest.MonkeyPatch, sandbox_user: str | None
) -> None:
    refuse = ["sh", "-c", "echo 'bwrap: No permissions' >&2; exit 1"]
    monkeypatch.setattr(requirements, "probe_command", lambda user: refuse)
    requirements._problem.cache_clear()
    line = problem(sandbox_user)
    assert "bwrap: No permissions" in line
    assert "sysctl -w kernel.unprivileged_userns_clone=1" in line


@pytest.mark.parametrize("name", ["cell_s", "memory_bytes", "processes"])
def test_limits_must_be_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be finite and > 0, got 0"):
        Limits(**{name: 0})
