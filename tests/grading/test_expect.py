import subprocess
import sys

import numpy as np
import pytest

from mlsys_lib.grading.expect import Mismatch, expect, expect_close, expect_equal, show

NAN = float("nan")


class AlwaysEqual:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class FriendlyList(list):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class FriendlyArray(np.ndarray):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class FriendlyKey(AlwaysEqual):
    def __hash__(self) -> int:
        return hash("a")


class FriendlyFloat(np.float64):
    def item(self, *args: object) -> float:
        return 1.0


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2.5,
        NAN,
        float("inf"),
        1 + 2j,
        "text",
        [],
        [1, [2.0, None]],
        (1, "a"),
        {"a": [1], 2: NAN},
        np.arange(6).reshape(2, 3),
        np.array([1.0, NAN, np.inf]),
        np.array(3.0),
        np.empty((0, 2), np.float32),
        np.array([True, False]),
    ],
    ids=repr,
)
def test_equal_plain_data_pass_both_ways(value):
    expect_equal(value, value)
    expect_close(value, value)


@pytest.mark.parametrize("compare", [expect_equal, expect_close])
@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (0, None),
        (1, True),
        (True, 1),
        ("1", 1),
        ([], [1]),
        ([1], []),
        ([1, 2], [1]),
        ([1], (1,)),
        ({}, {"a": 1}),
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"a": 2}, {"a": 1}),
        ([[1, 2], [3]], [[1, 2], [4]]),
        ([1.0], np.array([1.0])),
        (np.array([1.0]), [1.0]),
        (np.array([1.0, 2.0]), np.array([1.0, 2.5])),
        (np.array([1.0]), np.array([1.0], np.float32)),
        (np.array([1]), np.array([1.0])),
        (np.ones((2, 1)), np.ones((1, 2))),
        (np.ones((0, 2)), np.ones((2, 0))),
        (np.array([1.0]), np.array([NAN])),
        (np.array([NAN]), np.array([1.0])),
        (np.array([np.inf]), np.array([-np.inf])),
        (NAN, 1.0),
        (1.0, NAN),
        (AlwaysEqual(), 1),
        ([AlwaysEqual()], [1]),
        (FriendlyList(), [1, 2]),
        (np.array([7.0]).view(FriendlyArray), np.array([1.0])),
        (np.array([1.0], object), np.array([1.0])),
        ({FriendlyKey(): 1}, {"a": 1}),
        (FriendlyFloat(7.0), 1.0),
        (1e308, -1e308),
        (10**400, 1.0),
    ],
    ids=lambda value: show(value)[:40],
)
def test_other_types_shapes_and_values_are_told_apart(compare, got, expected):
    with pytest.raises(Mismatch):
        compare(got, expected)


def test_exact_and_close_differ_in_rounding_only():
    third = np.array([1 / 3])
    expect_close(third + 1e-12, third)
    with pytest.raises(Mismatch):
        expect_equal(third + 1e-12, third)
    with pytest.raises(Mismatch):
        expect_close(third + 1e-6, third)
    expect_close(third + 1e-6, third, rtol=0, atol=1e-5)
    expect_close(1, 1.0)
    with pytest.raises(Mismatch):
        expect_equal(1, 1.0)


def test_whole_numbers_are_never_only_close():
    with pytest.raises(Mismatch):
        expect_close(np.array([10**15 + 1]), np.array([10**15]))
    with pytest.raises(Mismatch):
        expect_close(10**15 + 1, 10**15)


def test_a_numpy_scalar_counts_as_the_number_it_holds():
    expect_equal(np.int64(3), 3)
    expect_equal(np.float64(2.5), 2.5)
    with pytest.raises(Mismatch, match="int: 3"):
        expect_equal(np.float64(3), 3)


def test_a_mismatch_says_where_what_and_why():
    with pytest.raises(Mismatch) as caught:
        expect_equal([1, np.array([1.0, 5.0])], [1, np.array([1.0, 2.0])], given="two", hint="why")
    assert caught.value.given == "two"
    assert caught.value.hint == "why"
    assert "first [1][1]: 5.0 for 2.0" in caught.value.got
    assert "1 of 2 differ" in caught.value.got
    assert caught.value.expected == "[1., 2.]"
    assert str(caught.value).startswith("given two; expected [1., 2.]; got [1., 5.]")


def test_a_shape_is_compared_before_any_value():
    with pytest.raises(Mismatch, match=r"float64 of shape \(2,\).*int64 of shape \(0,\)"):
        expect_equal(np.array([], np.int64), np.zeros(2))


def test_expect_takes_only_a_bool_for_the_truth():
    expect(True)
    expect(np.bool_(True))
    with pytest.raises(Mismatch, match="expected one; got two"):
        expect(False, expected="one", got="two")
    for doubtful in (1, [1], np.array([True]), AlwaysEqual(), "yes"):
        with pytest.raises(TypeError, match="condition must be a bool, got"):
            expect(doubtful)


def test_what_a_test_expects_must_be_plain_itself():
    thing = AlwaysEqual()
    with pytest.raises(TypeError, match="expected must be plain data, got AlwaysEqual"):
        expect_equal(thing, thing)


def test_texts_are_short_whatever_is_shown():
    for value in (
        list(range(10**5)),
        "x" * 10**5,
        np.zeros(10**6),
        [[[[[[[[1]]]]]]]],
        Unspeakable(),
    ):
        assert len(show(value)) < 400
    loop: list[object] = []
    loop.append(loop)
    assert show(loop)
    assert "Unspeakable" in show(Unspeakable())


def test_a_torch_tensor_is_not_an_array():
    torch = pytest.importorskip("torch")
    with pytest.raises(Mismatch, match="got Tensor"):
        expect_equal(torch.ones(2), np.ones(2))


def test_check_needs_numpy_alone():
    code = "import sys, mlsys_lib.grading; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    loaded = set(answer.stdout.split())
    assert not loaded & {"torch", "nbformat", "nbgrader", "sqlalchemy", "pyseccomp", "IPython"}
    assert not [name for name in loaded if name.startswith("mlsys_lib.collectives")]
