"""What runs inside the sandbox: the nursery, and the workers that it forks.

Nothing here decides anything. Students' code runs in the same interpreter as a worker's, and may
do to it what it likes; the grader outside treats every answer as a student's word.
"""
