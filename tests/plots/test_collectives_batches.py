"""The figure of batch sizes shows the numbers that it is given."""

import numpy as np

from mlsys_lib.plots.collectives import batches_figure


def test_the_lines_are_the_numbers() -> None:
    """Steps, epochs, and the steps if doubling halved them."""
    figure = batches_figure((16, 32, 64), (300, 100, 90), (3, 2, 4))
    steps, epochs, halved = figure.axes[0].lines
    np.testing.assert_array_equal(steps.get_ydata(), [300, 100, 90])
    np.testing.assert_array_equal(epochs.get_ydata(), [3, 2, 4])
    np.testing.assert_allclose(halved.get_ydata(), [300, 150, 75])
