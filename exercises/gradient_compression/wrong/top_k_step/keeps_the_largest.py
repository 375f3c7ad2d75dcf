"""Keeps the largest numbers, and no large negative ones."""

import numpy as np


def top_k_step(gradient, memory, learning_rate, num_kept):
    due = learning_rate * gradient + memory
    kept = np.argsort(-due, kind="stable")[:num_kept]
    update = np.zeros_like(due)
    update[kept] = due[kept]
    return update, due - update
