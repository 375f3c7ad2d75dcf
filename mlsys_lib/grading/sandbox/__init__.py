"""The sandbox: a student's code runs in it, plain data come out of it, and nothing goes in."""

from mlsys_lib.grading.sandbox.function import Function
from mlsys_lib.grading.sandbox.library import library_without
from mlsys_lib.grading.sandbox.limits import Limits
from mlsys_lib.grading.sandbox.requirements import NoSandboxError, require_sandbox
from mlsys_lib.grading.sandbox.session import Outcome, Sandbox
from mlsys_lib.grading.sandbox.unprotected import UNSAFE

__all__ = [
    "UNSAFE",
    "Function",
    "Limits",
    "NoSandboxError",
    "Outcome",
    "Sandbox",
    "library_without",
    "require_sandbox",
]
