"""Keeps the weights of the step at which it stops, and not the best ones."""


def early_stop(losses: list[float], patience: int, min_delta: float) -> tuple[int, int | None]:
    best_loss, waited = float("inf"), 0
    for step, loss in enumerate(losses):
        if best_loss - loss > min_delta:
            best_loss, waited = loss, 0
        else:
            waited += 1
        if waited == patience:
            return step, step
    return len(losses) - 1, len(losses) - 1
