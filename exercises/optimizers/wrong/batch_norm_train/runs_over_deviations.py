"""Averages standard deviations where variances are kept."""

import numpy as np


def batch_norm_train(x, scale, shift, running_mean, running_variance, momentum, eps):
    mean, variance = x.mean(axis=0), x.var(axis=0)
    y = scale * (x - mean) / np.sqrt(variance + eps) + shift
    running_mean = (1 - momentum) * running_mean + momentum * mean
    if len(x) > 1:
        unbiased = x.var(axis=0, ddof=1)
        running_variance = ((1 - momentum) * running_variance**0.5 + momentum * unbiased**0.5) ** 2
    return y, running_mean, running_variance
