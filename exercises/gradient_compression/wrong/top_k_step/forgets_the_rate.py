"""Adds the gradient itself to the memory."""

import numpy as np


def top_k_step(gradient, memory, learning_rate, num_kept):
    due = gradient + memory
    kept = np.argsort(-np.abs(due), kind="stable")[:num_kept]
    update = np.zeros_like(due)
    update[kept] = due[kept]
    return update, due - update
