"""What grading costs: a whole batch, one submission, a crossing of the boundary, a check."""
