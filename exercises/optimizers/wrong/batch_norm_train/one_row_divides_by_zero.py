"""Divides by n - 1 for a batch of one row as well: NaN stays in the running variance for ever."""

import numpy as np


def batch_norm_train(x, scale, shift, running_mean, running_variance, momentum, eps):
    mean, variance = x.mean(axis=0), x.var(axis=0)
    y = scale * (x - mean) / np.sqrt(variance + eps) + shift
    running_mean = (1 - momentum) * running_mean + momentum * mean
    with np.errstate(all="ignore"):
        unbiased = ((x - mean) ** 2).sum(axis=0) / np.float64(len(x) - 1)
    running_variance = (1 - momentum) * running_variance + momentum * unbiased
    return y, running_mean, running_variance
