import json
import subprocess
import sys
import threading

import pytest

from mlsys_lib.grading import progress
from mlsys_lib.grading.progress import _say_once, progress_path, record
from mlsys_lib.grading.public import EXERCISES, names

MODULE = sys.modules["mlsys_lib.grading.progress"]  # as an attribute, this is the function


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "progress.json"


def entries(path):
    return json.loads(path.read_text(encoding="utf-8"))["exercises"]


def test_a_record_is_made_with_its_folder_and_can_be_read_by_people(path):
    record("ring_all_reduce", 1, 3, path)
    assert entries(path)["ring_all_reduce"]["passed"] == 1
    assert [p.name for p in path.parent.iterdir()] == ["progress.json"]


def test_every_exercise_of_the_book_is_shown_in_its_order(path, capsys):
    record("ring_all_reduce", 3, 3, path)
    record("reduce_scatter", 1, 2, path)
    progress(path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Collectives: 1 of {len(EXERCISES['collectives'])} done"
    shown = [line for line in lines[:-1] if line.startswith(" ")]  # the others name a topic
    state = {line.rpartition("(")[2].rstrip(")"): line.split("  ")[1] for line in shown}
    assert list(state) == [n for _, n, _ in names()]
    assert state["ring_all_reduce"] == "done"
    assert state["reduce_scatter"].startswith("tried, 1 of 2")
    assert state["crossover_bytes"] == "open"
    assert lines[-1] == f"Kept in {path}"


def test_showing_it_writes_nothing(path, capsys):
    progress(path)
    assert not path.parent.exists()


def test_what_is_done_stays_done(path):
    record("ring_all_reduce", 3, 3, path)
    record("ring_all_reduce", 0, 3, path)
    assert entries(path)["ring_all_reduce"]["done"] is True


def test_the_place_is_the_argument_then_the_environment_then_home(tmp_path, monkeypatch):
    monkeypatch.delenv("MLSYS_PROGRESS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert progress_path() == tmp_path / ".mlsys_course" / "progress.json"
    monkeypatch.setenv("MLSYS_PROGRESS", str(tmp_path / "mine.json"))
    assert progress_path() == tmp_path / "mine.json"
    assert progress_path(tmp_path / "other.json") == tmp_path / "other.json"


@pytest.mark.parametrize(
    "broken", ["", "{", "[]", '{"exercises": 3}', '{"exercises": {"a": 1}}', "\x00"]
)
def test_a_broken_record_is_set_aside_and_not_lost(path, broken, capsys):
    path.parent.mkdir()
    path.write_text(broken)
    record("ring_all_reduce", 3, 3, path)
    aside = [p for p in path.parent.iterdir() if ".broken-" in p.name]
    assert [p.read_text() for p in aside] == [broken]
    assert str(aside[0]) in capsys.readouterr().out
    assert entries(path)["ring_all_reduce"]["done"] is True


def test_showing_a_broken_record_leaves_it_alone(path, capsys):
    path.parent.mkdir()
    path.write_text("{")
    progress(path)
    assert path.read_text() == "{"
    assert "0 of" in capsys.readouterr().out


def test_two_writers_at_once_lose_nothing(path):
    names = [f"exercise_{i}" for i in range(16)]
    threads = [threading.Thread(target=record, args=(name, 1, 1, path)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entries(path)) == sorted(names)


def test_two_processes_at_once_lose_nothing(path):
    code = (
        "import sys\nfrom mlsys_lib.grading.progress import record\n"
        "for i in range(20): record(f'{sys.argv[1]}_{i}', 1, 1, sys.argv[2])"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, who, str(path)]) for who in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(entries(path)) == 40


def test_a_lock_that_was_left_behind_is_broken_after_a_while(path, monkeypatch):
    path.parent.mkdir()
    lock = path.with_name("progress.json.lock")
    lock.touch()
    monkeypatch.setattr(MODULE, "_LOCK_STALE_S", -1.0)
    record("ring_all_reduce", 3, 3, path)
    assert entries(path) and not lock.exists()


def test_a_lock_that_is_held_is_not_waited_for_for_ever(path, monkeypatch, capsys):
    path.parent.mkdir()
    path.with_name("progress.json.lock").touch()
    monkeypatch.setattr(MODULE, "_LOCK_WAIT_S", 0.05)
    _say_once.cache_clear()
    record("ring_all_reduce", 3, 3, path)
    assert "held by another notebook" in capsys.readouterr().out
    assert not path.exists()


def test_where_nothing_can_be_written_it_is_said_once(tmp_path, capsys):
    blocked = tmp_path / "a file"
    blocked.touch()
    _say_once.cache_clear()
    for _ in range(3):
        record("ring_all_reduce", 3, 3, blocked / "progress.json")
    assert capsys.readouterr().out.count("progress is not kept") == 1
