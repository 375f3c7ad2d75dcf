import json
from typing import get_args

import pytest

from mlsys_lib.grading.faults import Status
from mlsys_lib.grading.verdict import PRECEDENCE, QuestionVerdict, Verdict, overall


def question(points, status="graded", **rest):
    return QuestionVerdict("ring_public", "ring", "public", status, points, 2.0, **rest)


def verdict(*questions, status="graded", **rest):
    return Verdict("collectives", "ada", status, questions=questions, **rest)


def test_every_status_has_its_place_in_the_precedence():
    assert sorted(PRECEDENCE) == sorted(get_args(Status))


def test_a_file_is_first_of_all_invalid_then_tampered_then_stopped_then_wrong():
    stopped = ("memory", "died", "timeout")
    assert PRECEDENCE[:2] == ("invalid", "tampered") and PRECEDENCE[2:5] == stopped
    assert PRECEDENCE[5:] == ("student_error", "needs_manual_grade", "graded")


@pytest.mark.parametrize("worse", range(len(PRECEDENCE) - 1))
def test_the_more_serious_status_wins_in_any_order(worse):
    pair = list(PRECEDENCE[worse : worse + 2])
    assert overall(pair) == overall(pair[::-1]) == PRECEDENCE[worse]


def test_without_questions_a_submission_is_graded():
    assert overall([]) == "graded"


def test_a_verdict_comes_back_from_json_as_it_went():
    before = verdict(
        question(0.5, "student_error", message="é\u2028\x1b <b>", output="x", cell="ring", line=3),
        question(None, "needs_manual_grade"),
        status="student_error",
        reason="why",
        notebook={"cells": [], "nbformat": 4},
        tampered=("ring_public",),
        similarity=(("mlsys_lib.collectives.ring", 0.75),),
        digest="ab",
        notes=("the test of ring raised NameError",),
    )
    assert Verdict.from_json(before.to_json()) == before


def test_pending_points_are_none_and_not_zero():
    waiting = verdict(question(1.5), question(None, "needs_manual_grade"))
    assert waiting.pending and waiting.points == 1.5 and waiting.max_points == 4
    assert not verdict(question(0.0)).pending


def test_an_invalid_submission_has_no_points_and_waits_for_a_person():
    unreadable = Verdict("collectives", "ada", "invalid", reason="the file is empty")
    assert unreadable.pending and unreadable.points is None


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("digest"),
        lambda data: data.update(extra=1),
        lambda data: data.update(status="perfect"),
        lambda data: data["questions"][0].update(status="perfect"),
        lambda data: data["questions"].append([]),
    ],
)
def test_what_is_not_a_verdict_is_refused(change):
    data = json.loads(verdict(question(1.0)).to_json())
    change(data)
    with pytest.raises(ValueError, match=r"must (have the fields|be one of)"):
        Verdict.from_json(json.dumps(data))


def test_a_torn_file_is_refused():
    text = verdict(question(1.0)).to_json()
    with pytest.raises(ValueError):
        Verdict.from_json(text[:-5])


def test_points_that_are_no_number_are_never_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        verdict(question(float("nan"))).to_json()
