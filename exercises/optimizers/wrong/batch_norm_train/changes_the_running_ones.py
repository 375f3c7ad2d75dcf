"""Writes into the running statistics that it was handed."""

import numpy as np


def batch_norm_train(x, scale, shift, running_mean, running_variance, momentum, eps):
    mean, variance = x.mean(axis=0), x.var(axis=0)
    running_mean += momentum * (mean - running_mean)
    if len(x) > 1:
        running_variance += momentum * (x.var(axis=0, ddof=1) - running_variance)
    y = scale * (x - mean) / np.sqrt(variance + eps) + shift
    return y, running_mean, running_variance
