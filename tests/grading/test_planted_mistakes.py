"""Of each assignment: solutions pass, stubs fail, and each planted mistake is told its idea."""

import re
import warnings

import pytest

from tests.grading import (
    test_public_compression,
    test_public_federated,
    test_public_optimization,
    test_public_optimizers,
    test_public_trees,
)
from tests.grading.assignment import Assignment

SECRETS = (b"one", b"two", b"three")
ASSIGNMENTS = {
    module.ASSIGNMENT.topic: module.ASSIGNMENT
    for module in (
        test_public_compression,
        test_public_federated,
        test_public_optimization,
        test_public_optimizers,
        test_public_trees,
    )
}
EXERCISES = [(topic, exercise) for topic, a in ASSIGNMENTS.items() for exercise in a.caught]
MISTAKES = [
    (topic, exercise, name)
    for topic, exercise in EXERCISES
    for name in ASSIGNMENTS[topic].caught[exercise]
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(("topic", "exercise"), EXERCISES)
def test_the_solution_passes_whatever_the_secret(topic: str, exercise: str, secret: bytes) -> None:
    assignment = ASSIGNMENTS[topic]
    for role in ("public", "hidden"):
        solution = assignment.cell(exercise, "answer")
        assert assignment.graded(exercise, solution, role, secret) == ""


@pytest.mark.parametrize(("topic", "exercise"), EXERCISES)
def test_the_stub_fails_both_kinds_of_tests(topic: str, exercise: str) -> None:
    stub = ASSIGNMENTS[topic].cell(exercise, "answer", "student")
    for role in ("public", "hidden"):
        assert "NotImplementedError" in ASSIGNMENTS[topic].graded(exercise, stub, role)


@pytest.mark.parametrize(("topic", "exercise", "name"), MISTAKES)
def test_a_planted_mistake_is_told_its_idea_and_fails_for_every_secret(
    topic: str, exercise: str, name: str
) -> None:
    assignment = ASSIGNMENTS[topic]
    source = assignment.mistake(exercise, name)
    with warnings.catch_warnings():
        if assignment.may_warn is not None:
            warnings.filterwarnings("default", assignment.may_warn, RuntimeWarning)
        said = assignment.graded(exercise, source, "public")
        assert re.search(assignment.caught[exercise][name], said, re.DOTALL), said
        for secret in SECRETS:
            assert assignment.graded(exercise, source, "hidden", secret)


@pytest.mark.parametrize("assignment", ASSIGNMENTS.values(), ids=ASSIGNMENTS)
def test_every_planted_mistake_is_accounted_for(assignment: Assignment) -> None:
    planted = assignment.planted()
    assert planted == {exercise: set(named) for exercise, named in assignment.caught.items()}
    assert min(map(len, planted.values())) >= (4 if assignment.topic == "distributed_trees" else 5)
