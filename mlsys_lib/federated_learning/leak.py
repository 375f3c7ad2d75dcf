"""What one client's update shows: a softmax regression's gradient gives its examples back.

Phong, Aono, Hayashi, Wang & Moriai, "Privacy-preserving deep learning via additively homomorphic
encryption", IEEE TIFS 13(5), 2018, doi:10.1109/TIFS.2017.2787987, section III: for one example, the
gradient of class c is (p_c - 1[y = c]) times x, and that of its bias is the factor alone. So x is
the ratio of the two, and y the only class with a negative bias gradient.

For n examples of n different classes the gradient, one column a class, is

    (1/n) [X 1]ᵀ (P - Y)

with P the model's probabilities for X. If P was known, X would follow by least squares; if X was,
P would. `recover_batch` goes from one to the other until nothing changes. This is the search for
data with the same gradient of Zhu, Liu & Han, "Deep leakage from gradients", NeurIPS 2019,
arXiv:1906.08935, without their optimizer: ours needs a model of one layer, different labels and
their number. Where it ends is not proven; the residual tells an attacker whether it worked.
"""

from dataclasses import dataclass

import numpy as np

from mlsys_lib.core.validate import integer, positive, positive_int
from mlsys_lib.federated_learning.model import SoftmaxRegression


@dataclass(frozen=True, eq=False)
class Leak:
    """Examples that were recovered.

    Attributes
    ----------
    X : ndarray of shape (n, d)
    y : ndarray of shape (n,), int64
        In rising order.
    residual : float
        How far the given gradient is from one of these examples, relative to it. Near zero they
        explain it; they are then the client's, unless others explain it as well.
    """

    X: np.ndarray
    y: np.ndarray
    residual: float


def recover_example(model: SoftmaxRegression, weights: np.ndarray, gradient: np.ndarray) -> Leak:
    """Return the example behind the gradient of a single one, exact up to rounding.

    Parameters
    ----------
    model : SoftmaxRegression
    weights : ndarray of shape (k,)
        Where the gradient was taken: what the server sent out. Used for the penalty alone.
    gradient : ndarray of shape (k,)
        Of one example; or, if there is no penalty, a multiple of it, or a sum of such gradients at
        several weights. A `FedAvg` client with one example is as open as one of `FedSGD`. The sign
        of a negative multiple, such as w_i - w, shows in more than two classes, unless the model
        puts all its error on one. Else the multiple is taken for positive, which matters for y and
        not for X.

    Returns
    -------
    Leak
        The residual compares with x times the bias gradients, whatever these are: it is near zero
        for multiples and sums as well. With two classes it is so for a batch, too.

    Raises
    ------
    ValueError
        If all bias gradients are zero: the model is so sure of the example that nothing is left.

    Examples
    --------
    >>> model = SoftmaxRegression(num_features=3, num_classes=4)
    >>> weights, x = np.zeros(model.num_weights), np.array([[0.5, 0.25, 2.0]])
    >>> leak = recover_example(model, weights, model.gradient(weights, x, np.array([2])))
    >>> leak.X.round(6), leak.y
    (array([[0.5 , 0.25, 2.  ]]), array([2]))
    """
    columns = _columns(model, weights, gradient)
    bias = columns[-1]
    largest = int(np.abs(bias).argmax())
    if bias[largest] == 0:
        raise ValueError("gradient must have a bias part that is not zero")
    columns = columns / bias[largest]
    row = columns[:, largest]  # [x 1]
    difference = columns - np.outer(row, columns[-1])
    residual = float(np.linalg.norm(difference) / np.linalg.norm(columns))
    return Leak(row[None, :-1].copy(), np.array([_label(bias)]), residual)


def recover_batch(
    model: SoftmaxRegression,
    weights: np.ndarray,
    gradient: np.ndarray,
    num_examples: int,
    *,
    max_iterations: int = 200,
) -> Leak:
    """Return n examples of different classes that explain the gradient of their mean loss.

    Parameters
    ----------
    model : SoftmaxRegression
    weights : ndarray of shape (k,)
        Where the gradient was taken.
    gradient : ndarray of shape (k,)
    num_examples : int
        n, in 1 … num_classes - 1; a client of `FedAvg` reports it. With all classes present the
        columns of P - Y are dependent, and what is common to all examples is lost.
    max_iterations : int
        Each takes a least squares problem with num_classes rows and n columns.

    Returns
    -------
    Leak
        At weights zero, where P is known, exact at once. Else see `residual`; the labels, the n
        classes with the least bias gradients, are right while the model is not sure of much.

    Raises
    ------
    ValueError
        If the gradient is zero: every batch that the model is sure of has that one.
    """
    integer("num_examples", num_examples, 1, model.num_classes - 1)
    positive_int("max_iterations", max_iterations)
    columns = _columns(model, weights, gradient)
    if np.linalg.norm(gradient) == 0:
        raise ValueError("gradient must not be zero")
    y = np.sort(np.argsort(columns[-1], kind="stable")[:num_examples])
    probabilities = np.full((num_examples, model.num_classes), 1 / model.num_classes)
    X = np.zeros((num_examples, model.num_features))
    for _ in range(max_iterations):
        errors = probabilities - np.eye(model.num_classes)[y]
        rows = np.linalg.lstsq(errors.T, columns.T, rcond=None)[0]  # [X 1] / n
        if not rows[:, -1].all():
            break
        X = rows[:, :-1] / rows[:, -1:]
        before, probabilities = probabilities, _probabilities(model, weights, X)
        if np.abs(probabilities - before).max() < 1e-14:
            break
    return Leak(X, y, _residual(model, weights, X, y, gradient))


def mean_gradient(
    received: np.ndarray, returned: np.ndarray, learning_rate: float, num_steps: int
) -> np.ndarray:
    """Return the mean of the gradients along a client's H steps: (w - w_i) / (η H).

    With one step it is the gradient at the received weights. With more it mixes gradients at
    weights that the server does not see, and is that gradient only in approximation.
    """
    positive("learning_rate", learning_rate)
    positive_int("num_steps", num_steps)
    return np.asarray((received - returned) / (learning_rate * num_steps))


def _columns(model: SoftmaxRegression, weights: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Return the loss's part of the gradient, of shape (d + 1, num_classes), the bias last."""
    for name, vector in (("weights", weights), ("gradient", gradient)):
        if vector.shape != (model.num_weights,):
            raise ValueError(f"{name} must have shape ({model.num_weights},), got {vector.shape}")
        if not np.isfinite(vector).all():
            raise ValueError(f"{name} must be finite")
    columns = gradient.reshape(model.num_features + 1, model.num_classes).copy()
    columns[:-1] -= model.penalty * weights.reshape(columns.shape)[:-1]
    return columns


def _label(bias: np.ndarray) -> int:
    """Return the class whose bias gradient has its own sign: it is as large as the rest's sum."""
    negative_multiple = bias.max() > -bias.min() * (1 + 1e-3)  # no tie, with w_i - w rounded
    return int(bias.argmax() if negative_multiple else bias.argmin())


def _probabilities(model: SoftmaxRegression, weights: np.ndarray, X: np.ndarray) -> np.ndarray:
    matrix = weights.reshape(model.num_features + 1, model.num_classes)
    logits = X @ matrix[:-1] + matrix[-1]
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def _residual(
    model: SoftmaxRegression,
    weights: np.ndarray,
    X: np.ndarray,
    y: np.ndarray,
    gradient: np.ndarray,
) -> float:
    difference = model.gradient(weights, X, y) - gradient
    return float(np.linalg.norm(difference) / np.linalg.norm(gradient))
