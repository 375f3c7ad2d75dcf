"""The command `mlsys-grade`: a course from the instructor's notebook to the marks' CSV.

Its exit code is 0 when all was done, 1 when something was left undone and a line said what, and 2
for a mistake in the command itself.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Release assignments, grade what students hand in, and give marks and feedback back.

A course is a folder in nbgrader's layout; --course names it, and by default it is the current one.
From an exercise to marks:

  mlsys-grade verify                     each exercise: stub fails, solution passes, mistakes fail
  mlsys-grade release collectives        release/collectives/collectives.ipynb is for students
  mlsys-grade collect collectives FILE   take in the folder or zip that Canvas, Moodle or
                                         Gradescope exports
  mlsys-grade grade collectives          run each submission in a sandbox, and save the marks
  jupyter lab                            Formgrader, for answers that a person marks
  mlsys-grade feedback collectives       feedback/STUDENT/collectives/collectives.html
  mlsys-grade export collectives --format canvas
  mlsys-grade status collectives         where it stands, and what to look at

Each can be run again at any time. `mlsys-grade COMMAND --help` tells more.
"""
NO_NBGRADER = 'nbgrader is not installed: pip install "mlsys_lib[grading]"'


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        import nbgrader  # noqa: F401
    except ImportError:
        return _fail(NO_NBGRADER)
    from mlsys_lib.grading.course import CourseError
    from mlsys_lib.grading.sandbox import NoSandboxError

    try:
        done: int = options.run(options)
    except (CourseError, NoSandboxError, ValueError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or 'input or output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        return _fail("interrupted: the same command goes on from here")
    return done


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        "mlsys-grade",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for add in (_verify, _release, _collect, _grade, _feedback, _export, _status):
        add(commands)
    return top


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], words: str
) -> argparse.ArgumentParser:
    """Add a command on an assignment of a course."""
    added: argparse.ArgumentParser = commands.add_parser(name, help=words, description=words)
    added.set_defaults(run=run)
    added.add_argument("assignment", help="its name, as in source/NAME/NAME.ipynb")
    added.add_argument(
        "--course", type=Path, default=Path(), metavar="DIR", help="the course's folder (here)"
    )
    return added


def _sandbox_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--workers", type=int, metavar="N", help="side by side (as many as cores)")
    whom = command.add_mutually_exclusive_group()
    whom.add_argument(
        "--sandbox-user",
        metavar="NAME",
        help="for root alone: whom the sandbox runs as, such as nobody",
    )
    whom.add_argument(
        "--unsafe-no-sandbox",
        action="store_true",
        help="run students' code with your own rights: it can read and change all that you can",
    )


def _verify(commands: Any) -> None:
    words = "Prove exercises: stub fails, solution passes, each planted mistake fails."
    added = commands.add_parser("verify", help=words, description=words)
    added.set_defaults(run=_run_verify)
    added.add_argument(
        "folder", type=Path, nargs="?", default=Path("exercises"), help="(exercises)"
    )
    _sandbox_options(added)


def _release(commands: Any) -> None:
    words = "Make the students' notebook, without solutions and hidden tests."
    added = _command(commands, "release", _run_release, words)
    added.add_argument(
        "--exercises",
        type=Path,
        metavar="DIR",
        help="take the notebook from DIR/TOPIC/NAME.ipynb, over the course's own copy "
        "(the first time: from exercises/ of the clone this is run in)",
    )
    added.add_argument(
        "--roster", type=Path, metavar="CSV", help="make a copy a student, with the id filled in"
    )


def _collect(commands: Any) -> None:
    words = (
        "Take in what students handed in: a folder or zip of Canvas, Moodle, Gradescope, or plain."
    )
    added = _command(commands, "collect", _run_collect, words)
    added.add_argument("source", type=Path, help="the folder or zip file")
    added.add_argument(
        "--pattern", metavar="REGEX", help="how paths name students: a group (?P<student>...)"
    )
    added.add_argument(
        "--roster", type=Path, metavar="CSV", help="who is who: ids here, and in the platform"
    )


def _grade(commands: Any) -> None:
    words = "Grade every submission that is new or changed, in a sandbox; save the marks."
    added = _command(commands, "grade", _run_grade, words)
    _sandbox_options(added)
    added.add_argument("--student", action="append", metavar="ID", help="only this one (repeat)")
    added.add_argument("--force", action="store_true", help="those that have not changed, too")
    added.add_argument("--cell-s", type=float, metavar="S", help="limit of a cell, in seconds")
    added.add_argument("--submission-s", type=float, metavar="S", help="limit of a submission")
    added.add_argument("--memory-mib", type=int, metavar="MIB", help="limit of a submission")


def _feedback(commands: Any) -> None:
    words = "Write a page for each student: points, messages, the lines that failed."
    added = _command(commands, "feedback", _run_feedback, words)
    added.add_argument("--student", action="append", metavar="ID", help="only this one (repeat)")


def _export(commands: Any) -> None:
    words = "Write the marks as CSV; a mark that waits for a person is an empty cell."
    added = _command(commands, "export", _run_export, words)
    added.add_argument(
        "--format", choices=("nbgrader", "canvas", "moodle", "gradescope"), default="nbgrader"
    )
    added.add_argument("--to", type=Path, metavar="FILE", help="(exports/NAME-FORMAT.csv)")
    added.add_argument(
        "--column", default="", metavar="HEADING", help='Canvas alone: such as "Ring (4711)"'
    )


def _status(commands: Any) -> None:
    words = "Show each student's status, what waits for a person, and what looks odd."
    added = _command(commands, "status", _run_status, words)
    added.add_argument("--json", action="store_true", help="the same as data")


def _run_verify(options: argparse.Namespace) -> int:
    from mlsys_lib.grading.verify import verify

    num_workers = options.workers or os.cpu_count() or 1
    report = verify(options.folder, user=_whom(options), num_workers=num_workers)
    print(report)
    return 0 if report.passed else 1


def _run_release(options: argparse.Namespace) -> int:
    from mlsys_lib.grading.release import release

    done = release(_course(options), options.assignment, options.exercises, options.roster)
    print(f"{done.notebook}\n  from {done.taken_from}")
    if done.copies:
        print(f"  and {len(done.copies)} copies, in {done.copies[0].parents[1]}")
    for note in done.notes:
        print(f"  note: {note}")
    return 0


def _run_collect(options: argparse.Namespace) -> int:
    from mlsys_lib.grading.collect import collect

    report = collect(
        _course(options), options.assignment, options.source, options.pattern, options.roster
    )
    print(report)
    return 1 if report.skipped else 0


def _run_grade(options: argparse.Namespace) -> int:
    from mlsys_lib.core.progress import progress
    from mlsys_lib.grading.grade import grade

    def quiet(items: Iterable[Any], label: str) -> Iterable[Any]:
        return items

    memory = options.memory_mib and {"memory_bytes": options.memory_mib * 2**20}
    times = {name: getattr(options, name) for name in ("cell_s", "submission_s")}
    report = grade(
        _course(options),
        options.assignment,
        num_workers=options.workers,
        limits={name: value for name, value in times.items() if value is not None} | (memory or {}),
        sandbox_user=_whom(options),
        students=options.student,
        force=options.force,
        progress=progress if sys.stderr.isatty() else quiet,
    )
    print(report)
    return 1 if report.failed else 0


def _run_feedback(options: argparse.Namespace) -> int:
    from mlsys_lib.grading.feedback import write_feedback

    course = _course(options)
    pages = write_feedback(course, options.assignment, options.student)
    print(f"{len(pages)} pages in {course.root / 'feedback'}")
    return 0


def _run_export(options: argparse.Namespace) -> int:
    from mlsys_lib.grading.export import export

    notes: list[str] = []
    where = (options.format, options.to, options.column)
    print(export(_course(options), options.assignment, *where, notes.append))
    for note in notes:
        print(f"  note: {note}")
    return 0


def _run_status(options: argparse.Namespace) -> int:
    from mlsys_lib.grading.status import status

    standing = status(_course(options), options.assignment)
    print(standing.to_json() if options.json else standing)
    return 0


def _whom(options: argparse.Namespace) -> str | None:
    """Return whom students' code runs as."""
    from mlsys_lib.grading.sandbox import UNSAFE

    if options.unsafe_no_sandbox:
        print("WITHOUT A SANDBOX: students' code can read and change what you can", file=sys.stderr)
        return UNSAFE
    name: str | None = options.sandbox_user
    return name


def _course(options: argparse.Namespace) -> Any:
    from mlsys_lib.grading.course import Course

    course = Course(options.course)
    if options.command != "release":
        course.require()
        course.require_released(options.assignment)
    return course


def _fail(message: str) -> int:
    print(f"mlsys-grade: {' '.join(message.split())}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
