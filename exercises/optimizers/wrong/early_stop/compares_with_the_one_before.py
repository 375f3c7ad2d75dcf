"""Compares each loss with the one before, and not with the best so far."""


def early_stop(losses, patience, min_delta):
    before, best_step, waited = float("inf"), None, 0
    for step, loss in enumerate(losses):
        if before - loss > min_delta:
            best_step, waited = step, 0
        else:
            waited += 1
        before = loss
        if waited == patience:
            return step, best_step
    return len(losses) - 1, best_step
