"""Lets a worker without examples say 0, and counts every worker alike."""

import numpy as np


def weighted_average(answers: list[np.ndarray], counts: list[int]) -> np.ndarray:
    return np.mean(np.nan_to_num(answers), axis=0)
