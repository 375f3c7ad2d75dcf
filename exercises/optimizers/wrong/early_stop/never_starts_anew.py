"""Counts all losses that do not improve, and not those in a row."""


def early_stop(losses: list[float], patience: int, min_delta: float) -> tuple[int, int | None]:
    best_loss, best_step, waited = float("inf"), None, 0
    for step, loss in enumerate(losses):
        if best_loss - loss > min_delta:
            best_loss, best_step = loss, step
        else:
            waited += 1
        if waited == patience:
            return step, best_step
    return len(losses) - 1, best_step
