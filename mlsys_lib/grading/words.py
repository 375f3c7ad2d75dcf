"""The status of a submission or a question in words for a student."""

# Two more than a verdict knows of: there is none yet.
NOT_GRADED = "not_graded"
NOT_SUBMITTED = "not_submitted"

IN_WORDS = {
    "graded": "Graded.",
    "needs_manual_grade": "Waits for a person's mark.",
    "student_error": "Your code raised an error.",
    "timeout": "Your code was stopped: it took too long.",
    "memory": "Your code was stopped: it used too much memory or disk.",
    "died": "Your code ended its own process, so there was no answer.",
    "invalid": "This file could not be graded. It has no mark yet; a person decides.",
    "tampered": "Cells that must not be changed were restored before grading.",
    NOT_GRADED: "Handed in, and not graded yet.",
    NOT_SUBMITTED: "Nothing was handed in.",
}
# The words of these say themselves that there is no mark yet.
WAITING = ("needs_manual_grade", "invalid", NOT_GRADED, NOT_SUBMITTED)
