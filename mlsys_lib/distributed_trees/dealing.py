"""Dealing a table out to ranks like cards: by rows, or by columns."""

import numpy as np

from mlsys_lib.comm import PerRank


def deal_rows(num_ranks: int, *tables: np.ndarray) -> list[PerRank]:
    """Give rank r the rows r, r + m, r + 2 m, … of each table.

    >>> deal_rows(2, np.arange(5))[0].values
    (array([0, 2, 4]), array([1, 3]))
    """
    return [PerRank([table[rank::num_ranks] for rank in range(num_ranks)]) for table in tables]


def deal_columns(num_ranks: int, X: np.ndarray) -> list[PerRank]:
    """Give rank r the columns r, r + m, r + 2 m, … of X, and their numbers."""
    columns = np.arange(X.shape[1])
    return [
        PerRank([table[..., rank::num_ranks] for rank in range(num_ranks)])
        for table in (X, columns)
    ]
