"""A sandbox starts on a busy computer too, and says why when it cannot."""

from pathlib import Path
from typing import Any

import pytest

from mlsys_lib.grading.sandbox import Limits, nursery, watch


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nursery, "_WAITS_S", (0.0, 0.0))


class Flaky(nursery.Nursery):
    """Is killed before it can answer, as often as `failures` says."""

    failures = 0

    def _wait_until_ready(self, *args: Any) -> str:
        if Flaky.failures:
            Flaky.failures -= 1
            self._namespace.end()
        return super()._wait_until_ready(*args)


def test_a_third_try_starts_it(
    monkeypatch: pytest.MonkeyPatch, filtered_library: Path, sandbox_user: str | None
) -> None:
    monkeypatch.setattr(nursery, "Nursery", Flaky)
    Flaky.failures = 2
    started = nursery.start_nursery(filtered_library, Limits(), (), sandbox_user)
    started.close()
    assert (Flaky.failures, started.start_s > 0) == (0, True)


def test_three_failures_are_an_error(
    monkeypatch: pytest.MonkeyPatch, filtered_library: Path, sandbox_user: str | None
) -> None:
    monkeypatch.setattr(nursery, "Nursery", Flaky)
    Flaky.failures = 4
    with pytest.raises(RuntimeError, match="did not start: its first process ended before"):
        nursery.start_nursery(filtered_library, Limits(), (), sandbox_user)
    assert Flaky.failures == 1


def test_what_the_sandbox_itself_says_is_told(
    filtered_library: Path, sandbox_user: str | None
) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)did not start: .*No module named 'no_such'"):
        nursery.start_nursery(filtered_library, Limits(), ("no_such",), sandbox_user)


def test_a_computer_short_of_memory_is_told(
    monkeypatch: pytest.MonkeyPatch, filtered_library: Path, sandbox_user: str | None
) -> None:
    monkeypatch.setattr(nursery, "wait_for_memory", lambda: None)
    monkeypatch.setattr(watch, "floor_bytes", lambda: 2**60)
    with pytest.raises(RuntimeError, match="did not start: this computer ran short of memory"):
        nursery.start_nursery(filtered_library, Limits(), ("numpy",), sandbox_user)
