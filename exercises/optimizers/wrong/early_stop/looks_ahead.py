"""Finds the best step among all losses, also those after the stop."""

import numpy as np


def early_stop(losses, patience, min_delta):
    best_loss, waited = float("inf"), 0
    best_step = None if np.isnan(losses).all() else int(np.nanargmin(losses))
    for step, loss in enumerate(losses):
        if best_loss - loss > min_delta:
            best_loss, waited = loss, 0
        else:
            waited += 1
        if waited == patience:
            return step, best_step
    return len(losses) - 1, best_step
