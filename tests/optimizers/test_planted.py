"""The checks that accept the library reject each planted wrong version."""

from typing import Any

import pytest

from tests.optimizers import database, planted, test_batch_norm, test_layerwise
from tests.optimizers import test_muon as muon
from tests.optimizers import test_shampoo as shampoo

IN_THE_DATABASE = [
    (planted.SGDDampensTheFirstStep, "SGD"),
    (planted.SGDRateInTheBuffer, "SGD"),
    (planted.SGDAscends, "SGD"),
    (planted.DecayOfTheWrongSign, "SGD"),
    (planted.SGDForgetsTheTail, "SGD"),
    (planted.AdagradEpsInside, "Adagrad"),
    (planted.AdagradDecaysAtOnce, "Adagrad"),
    (planted.RMSpropEpsInside, "RMSprop"),
    (planted.RMSpropDecaySwapped, "RMSprop"),
    (planted.AdamUncorrected, "Adam"),
    (planted.AdamCorrectsOneStepLate, "Adam"),
    (planted.AdamDecaysSwapped, "Adam"),
    (planted.AdamEpsBeforeCorrection, "Adam"),
    (planted.AMSGradWithoutMaximum, "Adam"),
    (planted.AdamWCoupled, "AdamW"),
    (planted.MuonMomentumAsSGD, "Muon"),
]
FROM_PAPERS = [
    (planted.LAMBDecayOutsideTheRatio, "LAMB"),
    (planted.LAMBWithoutRatio, "LAMB"),
    (planted.LARSRateOutside, "LARS"),
    (planted.LionOneDecay, "Lion"),
    (planted.LionSignAfterMemory, "Lion"),
]
LAYERS = [
    (planted.BatchNormBiasedVariance, True),
    (planted.BatchNormMomentumOfTheOld, True),
    (planted.BatchNormConstantStatistics, True),
    (planted.BatchNormVarianceConstant, True),
    (planted.BatchNormBatchInEvaluation, False),
]


def names(rows: list[Any]) -> list[str]:
    return [row[0].__name__ for row in rows]


@pytest.mark.usefixtures("muon_in_double")
@pytest.mark.parametrize(("wrong", "name"), IN_THE_DATABASE, ids=names(IN_THE_DATABASE))
def test_database_rejects(wrong: Any, name: str) -> None:
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        database.check_all(wrong, name)


@pytest.mark.parametrize(("wrong", "name"), FROM_PAPERS, ids=names(FROM_PAPERS))
def test_paper_rejects(wrong: Any, name: str) -> None:
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        test_layerwise.check_paper(wrong, name)


@pytest.mark.parametrize(("wrong", "training"), LAYERS, ids=names(LAYERS))
def test_torch_layer_rejects(wrong: Any, training: bool) -> None:
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        test_batch_norm.check_torch(wrong, (7, 3), training)


def test_scale_of_gradients_rejects_adam_with_a_large_eps() -> None:
    """The law of LAMB holds for a negligible ε₀ alone."""
    with pytest.raises(AssertionError):
        test_layerwise.check_scale_of_gradients(lambda w: test_layerwise.LAMB(w, eps=1.0))


def test_shampoo_rejects() -> None:
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        shampoo.check_paper(planted.ShampooHalfPowers)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        shampoo.check_one_axis_is_adagrad_with_the_full_matrix(planted.ShampooFourthRootOfVectors)


@pytest.mark.parametrize("wrong", [planted.newton_schulz_without_norm, planted.newton_schulz_cubic])
def test_singular_values_reject(wrong: Any) -> None:
    with pytest.raises(AssertionError):
        muon.check_singular_values(wrong)
