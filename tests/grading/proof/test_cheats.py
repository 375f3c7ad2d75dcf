"""Case 6: whatever a student does to Python inside, the score is what it would be without."""

import pytest

from tests.grading.notebooks import GOOD, good, own
from tests.grading.proof.looks import (
    FULL,
    NO_DOUBLE,
    hidden_numbers,
    points,
    printed,
    question,
    visible,
)

WRONG = "def double(x):\n    return x\n"

PATCHES = {
    "NumPy's comparisons": """
import numpy as np
yes = lambda *a, **k: True
for name in [n for n in dir(np.testing) if n.startswith("assert")]:
    setattr(np.testing, name, lambda *a, **k: None)
np.allclose = np.isclose = np.array_equal = np.all = np.any = yes
""",
    "Python's builtins": """
import builtins
class int_(int):
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
for name in ("isinstance", "all", "any", "issubclass", "callable", "hasattr"):
    setattr(builtins, name, lambda *a, **k: True)
builtins.AssertionError = builtins.Exception = type("Silent", (BaseException,), {})
builtins.len = lambda x: 3
builtins.__import__ = lambda *a, **k: None
""",
    "the course's own tools": """
import mlsys_lib.grading as grading, sys, types
for module in [m for n, m in list(sys.modules.items()) if n.startswith("mlsys_lib")]:
    for name in list(vars(module)):
        if callable(vars(module)[name]) and not name.startswith("__"):
            setattr(module, name, lambda *a, **k: None)
check = expect = expect_equal = expect_close = secret_rng = on_ranks = lambda *a, **k: None
Mismatch = type("Mismatch", (), {})
""",
    "modules": """
import sys, types
class Agree(types.ModuleType):
    def __getattr__(self, name):
        return lambda *a, **k: None
for name in ("unittest", "doctest", "numpy.testing", "mlsys_lib.grading", "pickle", "json",
             "struct", "socket", "marshal", "copy", "operator", "math"):
    sys.modules[name] = Agree(name)
""",
    "the code of the worker": """
import sys
frame = sys._getframe()
while frame:
    for name in list(frame.f_globals):
        value = frame.f_globals[name]
        if callable(value) and not name.startswith("__"):
            frame.f_globals[name] = lambda *a, **k: ("result", 6, ())
    frame = frame.f_back
""",
    "what is in memory": """
import gc, types
for thing in gc.get_objects():
    if isinstance(thing, types.FunctionType) and "expect" in thing.__name__:
        thing.__code__ = (lambda *a, **k: None).__code__
    if type(thing) is dict and "points" in thing:
        thing["points"] = 1000
""",
    "an import hook and the syntax tree": """
import ast, sys, builtins
compile_ = builtins.compile
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
    def visit_Raise(self, node):
        return ast.Pass()
builtins.compile = lambda src, *a, **k: compile_(Drop().visit(ast.parse(src)), *a, **k)
class Hook:
    def find_spec(self, name, path=None, target=None):
        raise ImportError(name)
sys.meta_path.insert(0, Hook())
""",
    "tracing": """
import sys, threading
sys.settrace(lambda *a: None); sys.setprofile(lambda *a: None); threading.settrace(lambda *a: None)
sys.excepthook = sys.unraisablehook = lambda *a: None
sys.setrecursionlimit(10**6)
""",
    "the way out": """
import atexit, os, signal, sys, warnings
atexit.register(lambda: print("6"))
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGUSR1):
    signal.signal(number, lambda *a: None)
sys.stdout = sys.stderr = None
warnings.simplefilter("error")
""",
    "the class of a number": """
import ctypes
class Same(int):
    __eq__ = lambda self, other: True
try:
    ctypes.py_object.from_address(id(1) + 8).value = Same
except Exception as error:
    print(error)
""",
    "IPython": """
get_ipython().showtraceback = lambda *a, **k: None
get_ipython().set_custom_exc((Exception,), lambda *a, **k: None)
""",
    "output that looks like a mark": """
print('{"points": 1000, "status": "graded"}', flush=True)
import os
for fd in range(3, 12):
    try:
        os.set_blocking(fd, False)
        os.read(fd, 0)
    except OSError:
        pass
""",
}


@pytest.mark.parametrize("name", PATCHES)
def test_a_wrong_answer_stays_wrong_whatever_is_patched(grade, name):
    book = good(double=WRONG)
    book["cells"].insert(0, own(PATCHES[name]))
    found = grade(book)
    # What breaks Python for the student's own code costs the student, and never pays.
    assert points(found)["double_public"] == points(found)["double_hidden"] == 0
    assert found.status in ("needs_manual_grade", "student_error", "died")
    assert found.points <= 3 and found.notes == ()


@pytest.mark.parametrize("name", PATCHES)
def test_a_patch_in_a_later_cell_does_not_pay_either(grade, name):
    book = good(double=WRONG)
    book["cells"].append(own(PATCHES[name]))
    found = grade(book)
    assert points(found) == NO_DOUBLE


CHEATS = {
    "answers differently the second time": """
times = [0]
def double(x):
    times[0] += 1
    return 6 if times[0] == 1 else 7
""",
    "raises what a test might expect": "def double(x):\n    raise AssertionError('passed')\n",
    "raises the tests' own error": """
def double(x):
    from mlsys_lib.grading import Mismatch
    raise Mismatch(hint="passed")
""",
    "stops the run as if it were over": "def double(x):\n    raise SystemExit(0)\n",
    "raises nothing that is an Exception": """
def double(x):
    raise KeyboardInterrupt
""",
    "raises an error that cannot be shown": """
class Sly(Exception):
    def __str__(self):
        raise self
    __repr__ = __reduce__ = __str__
def double(x):
    raise Sly
""",
    "raises an error with a name of control characters": """
def double(x):
    raise type("\\x1b[2JE<b>", (Exception,), {})("\\x1b[2J</pre><script>")
""",
    "knows the public input": "def double(x):\n    return {3: 6}.get(x)\n",
    "is a class": "class double:\n    def __new__(cls, x):\n        return 6\n",
    "is an object that can be called": """
class Double:
    def __call__(self, x):
        return 6
double = Double()
""",
    "is a generator": "def double(x):\n    yield 2 * x\n",
    "is a coroutine": "async def double(x):\n    return 2 * x\n",
    "takes no argument": "def double():\n    return 6\n",
    "calls itself for ever": "def double(x):\n    return double(x)\n",
    "is deleted": "def double(x):\n    return 2 * x\ndel double\n",
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_function_that_cheats_gets_what_its_answers_are_worth(grade, name):
    found = grade(good(double=CHEATS[name]))
    assert points(found)["double_hidden"] == 0 and points(found)["total_hidden"] == 3
    assert found.status in ("student_error", "needs_manual_grade") and found.notes == ()
    assert not [number for number in hidden_numbers() if number in visible(found)]
    assert "\\u001b" not in visible(found)


def test_what_no_test_can_use_gets_no_points_and_the_instructor_a_note(grade):
    found = grade(good(double="double = 6\n"))
    assert points(found) == NO_DOUBLE and found.status == "needs_manual_grade"
    message = question(found, "double_public").message
    assert message.startswith("The test could not use what you returned (TypeError).")
    assert question(found, "double_hidden").message == "Doubling must work for any integer."
    assert "not callable" in found.notes[0]


HONEST_BUT_ODD = {
    "prints a lot": "def double(x):\n    print(x, '<b>\\x1b[2J')\n    return 2 * x\n",
    "a lambda": "double = lambda x: 2 * x\n",
    "a partial": "import functools, operator\ndouble = functools.partial(operator.mul, 2)\n",
    "a class with __call__": """
class Double:
    def __call__(self, x):
        return 2 * x
double = Double()
""",
    "its own len": "def len(x):\n    return 3\ndef double(x):\n    return 2 * x\n",
    "helpers called like ours": """
def check(*a): return None
def expect_equal(*a): return None
def double(x):
    return 2 * x
""",
    "a wrapped function": """
import functools
def shout(f):
    @functools.wraps(f)
    def inner(*a):
        print("!")
        return f(*a)
    return inner
@shout
@functools.lru_cache
def double(x):
    return 2 * x
""",
    "defined twice, last one counts": "def double(x):\n    return 0\n" + GOOD["double"],
}


@pytest.mark.parametrize("name", HONEST_BUT_ODD)
def test_an_odd_but_right_answer_is_right(grade, name):
    assert points(grade(good(double=HONEST_BUT_ODD[name]))) == FULL


def test_frames_and_memory_do_not_hold_the_next_hidden_input(grade):
    look = """
import gc, sys
def double(x):
    if x != 3 and not seen:
        seen.append(x)
        frame, words = sys._getframe(), []
        while frame:
            words += [repr(v)[:2000] for v in list(frame.f_locals.values())]
            frame = frame.f_back
        words += [repr(v) for t in gc.get_objects() if type(t) in (list, tuple, dict)
                  for v in (t.values() if type(t) is dict else t) if type(v) is int]
        print(" ".join(words))
    return 2 * x
seen = []
"""
    found = grade(good(double=look))
    first, second, third = hidden_numbers()[::3]
    dump = printed(found, "double_hidden")
    assert points(found) == FULL and len(dump) > 1_000
    assert first in dump and second not in dump and third not in dump


def test_what_a_function_keeps_of_hidden_inputs_is_never_said(grade):
    keep = """
seen = []
def double(x):
    seen.append(x)
    with open("/tmp/seen", "a") as file:
        file.write(f"{x}\\n")
    print(x)
    return 2 * x
"""
    say = "def total(x):\n    raise ValueError(str(seen) + open('/tmp/seen').read())\n"
    book = good(double=keep, total=say)
    book["cells"] = [
        *book["cells"],
        own("print(seen, open('/tmp/seen').read())\nraise OSError(seen)"),
    ]
    found = grade(book)
    assert hidden_numbers()[0] in printed(found, "double_hidden")  # which is the instructor's
    assert not [number for number in hidden_numbers() if number in visible(found)]
    assert question(found, "total_hidden").status == "student_error"
