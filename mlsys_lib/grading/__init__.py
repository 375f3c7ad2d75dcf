"""Exercises: checked in the learner's notebook, and graded by an instructor."""
