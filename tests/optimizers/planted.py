"""Wrong versions that learners write, and that pages on the web show. Every one must be caught."""

from typing import Any

import numpy as np

from mlsys_lib.optimizers import (
    LAMB,
    LARS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    BatchNorm,
    Lion,
    Muon,
    RMSprop,
    Shampoo,
    newton_schulz,
)
from mlsys_lib.optimizers.base import BLOCK, State
from mlsys_lib.optimizers.shampoo import inverse_root


class SGDDampensTheFirstStep(SGD):
    """The buffer starts at 0 and takes 1 - dampening of the first gradient too."""

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        if self.num_steps == 1:
            g = g * (1 - self.dampening)
        super()._update_block(w, g, state, scratch)


class SGDRateInTheBuffer(SGD):
    """Polyak's form: equal while the rate is constant."""

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        v = state.get("velocity", np.zeros_like(w))
        taken = 1.0 if self.num_steps == 1 else 1 - self.dampening
        v[:] = self.momentum * v + self.learning_rate * taken * g
        w -= self.learning_rate * g + self.momentum * v if self.nesterov else v


class SGDAscends(SGD):
    """The sheet's lost minus sign."""

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        super()._update_block(w, -g, state, scratch)


class DecayOfTheWrongSign(SGD):
    """Negates the gradient for `maximize` after the decay has been added."""

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        wrong = g - 2 * self.weight_decay * w * self.maximize
        super()._update_block(w, wrong, state, scratch)


class SGDForgetsTheTail(SGD):
    """Walks through whole blocks alone."""

    def _update(self, w: np.ndarray, g: np.ndarray, state: State) -> None:
        whole = max(w.size - w.size % BLOCK, min(w.size, BLOCK))
        part = {name: array.reshape(-1)[:whole] for name, array in state.items()}
        super()._update(w.reshape(-1)[:whole], g.reshape(-1)[:whole], part)


class AdagradEpsInside(Adagrad):
    """Divides by √(v + ε₀)."""

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        state["second_moment"] += g * g
        rate = self.learning_rate / (1 + (self.num_steps - 1) * self.lr_decay)
        w -= rate * g / np.sqrt(state["second_moment"] + self.eps)


class AdagradDecaysAtOnce(Adagrad):
    """Counts steps from 1 where the rate's decay counts from 0."""

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        state["second_moment"] += g * g
        rate = self.learning_rate / (1 + self.num_steps * self.lr_decay)
        w -= rate * g / (np.sqrt(state["second_moment"]) + self.eps)


class RMSpropEpsInside(RMSprop):
    """Divides by √(v + ε₀), as Graves has it."""

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        v = state["second_moment"]
        v[:] = self.decay * v + (1 - self.decay) * g * g
        w -= self.learning_rate * g / np.sqrt(v + self.eps)


class RMSpropDecaySwapped(RMSprop):
    """Keeps 1 - δ where it should keep δ."""

    def __init__(self, weights: Any, *, decay: float = 0.99, **options: Any) -> None:
        super().__init__(weights, decay=1 - decay, **options)


class AdamUncorrected(Adam):
    """As the sheet prints it."""

    def _corrections(self) -> tuple[float, float]:
        return 1.0, 1.0


class AdamCorrectsOneStepLate(Adam):
    """Counts the steps before this one."""

    def _corrections(self) -> tuple[float, float]:
        now, self.num_steps = self.num_steps, max(1, self.num_steps - 1)
        found = super()._corrections()
        self.num_steps = now
        return found


class AdamDecaysSwapped(Adam):
    """δ₁ for the squares and δ₂ for the gradients."""

    def __init__(self, weights: Any, *, decays: Any = (0.9, 0.999), **options: Any) -> None:
        super().__init__(weights, decays=decays[::-1], **options)


class AdamEpsBeforeCorrection(Adam):
    """Adds ε₀ to √v, and corrects after: Kingma & Ba's ε-hat, not their ε."""

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        first, second = self.decays
        u, v = state["first_moment"], state["second_moment"]
        u[:] = first * u + (1 - first) * g
        v[:] = second * v + (1 - second) * g * g
        one, root = self._corrections()
        w -= self.learning_rate * root / one * u / (np.sqrt(v) + self.eps)


class AMSGradWithoutMaximum(Adam):
    """Takes the option and does nothing with it."""

    def __init__(self, weights: Any, *, amsgrad: bool = False, **options: Any) -> None:
        super().__init__(weights, **options)


class AdamWCoupled(AdamW):
    """Adds λ w to the gradient: Adam with an L2 penalty."""

    decoupled = False


class LionOneDecay(Lion):
    """Remembers with the decay of the direction."""

    def __init__(self, weights: Any, **options: Any) -> None:
        super().__init__(weights, **options)
        self.decays = (self.decays[0], self.decays[0])


class LionSignAfterMemory(Lion):
    """Takes the sign of what is remembered, after g has entered."""

    def _update_block(
        self, w: np.ndarray, g: np.ndarray, state: State, scratch: np.ndarray
    ) -> None:
        u = state["first_moment"]
        u += (1 - self.decays[1]) * (g - u)
        w -= self.learning_rate * np.sign(u)


class LAMBDecayOutsideTheRatio(LAMB):
    """Shrinks the weights as AdamW does, so λ w has no part in the length."""

    def _update(self, w: np.ndarray, g: np.ndarray, state: State) -> None:
        decay, self.weight_decay = self.weight_decay, 0.0
        w *= 1 - self.learning_rate * decay
        super()._update(w, g, state)
        self.weight_decay = decay


class LAMBWithoutRatio(LAMB):
    """Adam's step."""

    def _update(self, w: np.ndarray, g: np.ndarray, state: State) -> None:
        held = w.copy()
        super()._update(w, g, state)
        step = w - held
        length = np.linalg.norm(held) * self.learning_rate
        w[...] = held + step / (length or 1.0)


class LARSRateOutside(LARS):
    """Gathers gradients, and scales the sum."""

    def _update(self, w: np.ndarray, g: np.ndarray, state: State) -> None:
        v = state["velocity"]
        size = float(np.linalg.norm(w))
        total = float(np.linalg.norm(g)) + self.weight_decay * size
        v[...] = self.momentum * v + g + self.weight_decay * w
        w -= self.learning_rate * self.trust * size / total * v


class ShampooHalfPowers(Shampoo):
    """L^(-1/2) G R^(-1/2), whatever the number of axes."""

    def _update(self, w: np.ndarray, g: np.ndarray, state: State) -> None:
        left, right = state.values()
        left += g @ g.T
        right += g.T @ g
        w -= self.learning_rate * inverse_root(left, 2) @ g @ inverse_root(right, 2)


class ShampooFourthRootOfVectors(Shampoo):
    """Fourth roots for vectors too."""

    def _update(self, w: np.ndarray, g: np.ndarray, state: State) -> None:
        (total,) = state.values()
        total += np.outer(g, g)
        w -= self.learning_rate * inverse_root(total, 4) @ g


class MuonMomentumAsSGD(Muon):
    """Gathers gradients whole: with Nesterov another mixture of old and new."""

    def _update(self, w: np.ndarray, g: np.ndarray, state: State) -> None:
        u = state["first_moment"]
        u[:] = self.momentum * u + g
        mixed = g + self.momentum * u if self.nesterov else u
        step = newton_schulz(mixed, self.coefficients, self.num_iterations, self.eps)
        w *= 1 - self.learning_rate * self.weight_decay
        w -= self.learning_rate * self._factor(*w.shape[::-1]) * step


def newton_schulz_without_norm(matrix: np.ndarray) -> np.ndarray:
    """Starts outside the region in which the polynomial stays bounded."""
    return newton_schulz(matrix, eps=1.0) if np.linalg.norm(matrix) < 1 else matrix


def newton_schulz_cubic(matrix: np.ndarray) -> np.ndarray:
    """The classical coefficients: five steps leave small singular values small."""
    return newton_schulz(matrix, (1.5, -0.5, 0.0))


class BatchNormBiasedVariance(BatchNorm):
    """Averages the variance divided by n."""

    def track(self, count: int, mean: np.ndarray, variance: np.ndarray) -> None:
        super().track(count, mean, variance * (count - 1) / count)


class BatchNormMomentumOfTheOld(BatchNorm):
    """Reads momentum as the share of the old value."""

    def track(self, count: int, mean: np.ndarray, variance: np.ndarray) -> None:
        self.momentum = 1 - self.momentum
        super().track(count, mean, variance)
        self.momentum = 1 - self.momentum


class BatchNormConstantStatistics(BatchNorm):
    """Backwards as if mean and variance did not depend on the input."""

    def input_gradient(
        self, gradient: np.ndarray, scale_sum: np.ndarray, shift_sum: np.ndarray
    ) -> np.ndarray:
        return super().input_gradient(gradient, 0 * scale_sum, 0 * shift_sum)


class BatchNormVarianceConstant(BatchNorm):
    """Backwards through the mean, but not through the variance."""

    def input_gradient(
        self, gradient: np.ndarray, scale_sum: np.ndarray, shift_sum: np.ndarray
    ) -> np.ndarray:
        return super().input_gradient(gradient, 0 * scale_sum, shift_sum)


class BatchNormBatchInEvaluation(BatchNorm):
    """Takes the batch's statistics whatever it is asked."""

    def forward(self, x: np.ndarray, *, training: bool = True) -> np.ndarray:
        rows = self.rows(x)
        if training:
            return super().forward(x)
        return self.apply(x, rows.mean(axis=0), rows.var(axis=0), 0)
