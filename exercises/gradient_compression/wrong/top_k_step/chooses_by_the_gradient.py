"""Chooses by the gradient: what is only in the memory never gets its turn."""

import numpy as np


def top_k_step(gradient, memory, learning_rate, num_kept):
    due = learning_rate * gradient + memory
    kept = np.argsort(-np.abs(gradient), kind="stable")[:num_kept]
    update = np.zeros_like(due)
    update[kept] = due[kept]
    return update, due - update
