"""Keeps all that reach the last magnitude kept, and so too many of equal ones."""

import numpy as np


def top_k_step(gradient, memory, learning_rate, num_kept):
    due = learning_rate * gradient + memory
    smallest = np.sort(np.abs(due))[-num_kept]
    update = np.where(np.abs(due) >= smallest, due, 0.0)
    return update, due - update
