import pytest

from mlsys_lib.grading.context import Context, grading
from mlsys_lib.grading.student import own_variant
from mlsys_lib.grading.variants import variant


def numbers(student: str, label: str) -> list[int]:
    return variant(student, label).integers(0, 10**9, 4).tolist()


def test_the_same_student_and_label_give_the_same_numbers():
    assert numbers("ada", "x") == numbers("ada", "x") == numbers(" Ada ", "x")


def test_two_students_and_two_labels_have_numbers_of_their_own():
    drawn = [numbers(s, label) for s in ("ada", "grace", "adax") for label in ("x", "y")]
    assert len({tuple(row) for row in drawn}) == len(drawn)
    assert numbers("a", "bc") != numbers("ab", "c")


@pytest.mark.parametrize(
    ("student", "label", "error", "words"),
    [
        (7, "x", TypeError, "student must be a str, got int"),
        ("ada", None, TypeError, "label must be a str, got NoneType"),
        (" ", "x", ValueError, "student must not be empty"),
        ("ada", "", ValueError, "label must not be empty"),
    ],
)
def test_a_wrong_name_is_an_error_that_names_it(student, label, error, words):
    with pytest.raises(error, match=words):
        variant(student, label)


def test_in_a_notebook_the_numbers_are_those_of_its_own_id():
    rng, remark = own_variant("ada", "x")
    assert rng.integers(10**9) == variant("ada", "x").integers(10**9)
    assert remark == ""


def test_under_the_grader_the_numbers_are_those_of_who_handed_in():
    with grading(Context("a", "Ada", b"secret")):
        for claimed, is_same in (("ada ", True), ("grace", False), (7, False)):
            rng, remark = own_variant(claimed, "x")
            assert rng.integers(10**9) == variant("ada", "x").integers(10**9)
            assert (remark == "") is is_same
        assert "'Ada'" in own_variant("grace", "x")[1] and "'grace'" in own_variant("grace", "x")[1]
