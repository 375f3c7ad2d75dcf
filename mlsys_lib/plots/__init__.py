"""Results become figures here: one module a topic, one style for all of them.

Nothing outside this folder imports matplotlib. A plot class makes its figure and its artists
once, and its `draw(result)` moves those artists and returns the figure (or a tuple of figures,
the panels of one picture).
"""

from matplotlib.figure import Figure

__all__ = ["Figure"]
