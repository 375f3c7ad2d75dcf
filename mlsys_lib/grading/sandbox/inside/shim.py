"""What `mlsys_lib.grading` is in the sandbox: cells written for a notebook run here unchanged."""

from mlsys_lib.grading.variants import variant

__all__ = ["check", "progress", "variant"]


def check(exercise: str, *answers: object, **more_answers: object) -> None:
    """Say that the tests run elsewhere."""
    print(f"{exercise}: checked when this is graded")


def progress() -> None:
    """Say that there is none here."""
    print("progress: kept in your own notebook only")
