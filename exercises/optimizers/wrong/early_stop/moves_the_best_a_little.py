"""Lets a loss that is lower by too little become the best to compare with."""


def early_stop(losses: list[float], patience: int, min_delta: float) -> tuple[int, int | None]:
    best_loss, best_step, waited = float("inf"), None, 0
    for step, loss in enumerate(losses):
        if best_loss - loss > min_delta:
            best_loss, best_step, waited = loss, step, 0
        else:
            best_loss = min(best_loss, loss)
            waited += 1
        if waited == patience:
            return step, best_step
    return len(losses) - 1, best_step
