"""Cells run in it, values and functions come out of it."""

import numpy as np
import pytest

from mlsys_lib import grading
from mlsys_lib.grading.faults import StudentFault
from mlsys_lib.grading.plain import NotPlainError
from mlsys_lib.grading.sandbox import Sandbox


def test_a_cell_runs_and_its_output_is_kept(sandbox: Sandbox) -> None:
    outcome = sandbox.run_cell("print('hello')", "cell")
    assert (outcome.status, outcome.output, outcome.fault) == ("graded", "hello\n", None)


def test_names_of_earlier_cells_are_there_as_in_a_notebook(sandbox: Sandbox) -> None:
    sandbox.run_cell("first = 20", "one")
    assert sandbox.run_cell("second = first + 1", "two").status == "graded"
    assert sandbox.value("second") == 21


def test_a_function_is_called_with_plain_data_and_arrays(sandbox: Sandbox) -> None:
    sandbox.run_cell("def weighted(x, *, by): return {'sum': (x * by).sum(), 'by': by}", "cell")
    weighted = sandbox.value("weighted")
    assert weighted.__name__ == "weighted"
    answer = weighted(np.array([1.0, 2.0]), by=3)
    assert answer == {"sum": 9.0, "by": 3}
    assert type(answer["sum"]) is np.float64


def test_arrays_changed_in_place_are_changed_here_too(sandbox: Sandbox) -> None:
    sandbox.run_cell("def zero(pair):\n    pair[1][::2] = 0\n    return pair[1]", "cell")
    kept, changed = np.ones(3), np.ones((4, 2), order="F")
    result = sandbox.value("zero")([kept, changed])
    assert kept.tolist() == [1, 1, 1]
    assert changed.tolist() == [[0, 0], [1, 1], [0, 0], [1, 1]]
    assert np.array_equal(result, changed)


def test_one_array_given_twice_is_one_array_inside(sandbox: Sandbox) -> None:
    sandbox.run_cell("def same(a, b): return a is b", "cell")
    array = np.ones(2)
    assert sandbox.value("same")(array, array) is True


def test_what_a_function_prints_belongs_to_the_test_that_called_it(sandbox: Sandbox) -> None:
    sandbox.run_cell("def talk(): print('in here', flush=True)", "cell")
    sandbox.value("talk")()
    assert sandbox.output() == "in here\n"
    sandbox.begin_test()
    assert sandbox.output() == ""


def test_a_fault_names_its_line_and_its_cell(sandbox: Sandbox) -> None:
    sandbox.run_cell("import json\n\ndef broken():\n    return json.loads('{')", "reading")
    with pytest.raises(StudentFault) as caught:
        sandbox.value("broken")()
    fault = caught.value
    assert (fault.status, fault.kind) == ("student_error", "JSONDecodeError")
    assert (fault.line, fault.cell) == (4, "reading")


def test_a_syntax_error_names_its_line_and_later_cells_run(sandbox: Sandbox) -> None:
    outcome = sandbox.run_cell("x = 1\ny = = 2", "typo")
    assert outcome.status == "student_error"
    assert outcome.fault is not None
    assert (outcome.fault.kind, outcome.fault.line) == ("SyntaxError", 2)
    assert sandbox.run_cell("after_typo = 1", "later").status == "graded"


def test_lines_that_only_a_notebook_understands_are_left_out(sandbox: Sandbox) -> None:
    source = "%matplotlib inline\n!ls /\nmagic_value = 7 % 4\ndisplay(magic_value)"
    assert sandbox.run_cell(source, "magic").output == "3\n"
    assert sandbox.run_cell("get_ipython().run_line_magic('load_ext', 'x')", "m").status == "graded"


def test_an_undefined_name_is_the_students_fault(sandbox: Sandbox) -> None:
    with pytest.raises(StudentFault, match="NameError: name 'nowhere' is not defined"):
        sandbox.value("nowhere")


def test_an_argument_that_is_not_plain_is_an_error_of_the_test(sandbox: Sandbox) -> None:
    sandbox.run_cell("def take(x): return 1", "cell")
    take = sandbox.value("take")
    with pytest.raises(NotPlainError, match="type set"):
        take({1})
    assert take(1) == 1


def test_a_withheld_module_says_why_and_its_neighbors_import(sandbox: Sandbox) -> None:
    outcome = sandbox.run_cell("import mlsys_lib.collectives.ring", "cheat")
    assert outcome.fault is not None
    assert outcome.fault.kind == "ImportError"
    assert "mlsys_lib.collectives is withheld" in outcome.fault.message
    source = "from mlsys_lib.comm import simulate\nfrom mlsys_lib.grading import check, variant"
    assert sandbox.run_cell(source, "fine").status == "graded"


def test_whatever_a_notebook_imports_of_grading_is_there(sandbox: Sandbox) -> None:
    names = ", ".join(grading.__all__)
    own_test = "expect(on_ranks(lambda comm: comm.rank, 2).results == (0, 1), hint='ranks')"
    outcome = sandbox.run_cell(f"from mlsys_lib.grading import {names}\ncheck('ring')", "cell")
    assert outcome.output == "ring: checked when this is graded\n"
    assert sandbox.run_cell(own_test, "own").fault is None
    secret = sandbox.run_cell("secret_rng('ring')", "secret")
    assert "needs the grader" in str(secret.fault)
