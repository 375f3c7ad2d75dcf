import numpy as np
import pytest

from mlsys_lib.comm import PerRank, simulate
from mlsys_lib.distributed_trees import grow_exact_tree, yggdrasil_tree
from mlsys_lib.distributed_trees.cost import yggdrasil_bytes
from mlsys_lib.distributed_trees.tree import LEAF, Tree
from tests.conftest import Machine
from tests.distributed_trees.problems import CRITERIA, Problem, problem


def columns(num_features: int, world_size: int, seed: int = 0) -> list[np.ndarray]:
    """Columns dealt out at random; ranks beyond the columns have none."""
    return np.array_split(np.random.default_rng(seed).permutation(num_features), world_size)


def predicted_bytes(p: Problem, tree: Tree, parts: list[np.ndarray], max_depth: int) -> int:
    """The closed form, from the finished tree alone."""
    owner = {int(f): rank for rank, part in enumerate(parts) for f in part}
    reached = max_depth if tree.depth.max() == max_depth else tree.depth.max() + 1
    nodes = [int((tree.depth == d).sum()) for d in range(reached)]
    weigh = p.criterion.weight(tree.stats)
    rows = []
    for d in range(reached):
        split = np.flatnonzero((tree.depth == d) & (tree.feature != LEAF))
        of_owner: dict[int, int] = {}
        for node in split:
            rank = owner[int(tree.feature[node])]
            of_owner[rank] = of_owner.get(rank, 0) + int(weigh[node])
        rows.append(list(of_owner.values()))
    return yggdrasil_bytes(nodes, rows, p.criterion.width, len(parts))


def test_it_is_the_serial_tree_however_columns_are_dealt_out(machine: Machine) -> None:
    p = problem("variance", 60, missing=0.1)
    serial = grow_exact_tree(p.X, p.stats, p.criterion, 4)
    parts = columns(4, machine.world_size)
    own = PerRank([p.X[:, part] for part in parts])
    run = machine.run(yggdrasil_tree, own, p.stats, PerRank(parts), p.criterion, 4)
    assert all(tree.same_as(serial) for tree in run.results)
    assert run.ledger.total_bytes == predicted_bytes(p, serial, parts, 4)


@pytest.mark.parametrize("name", CRITERIA)
def test_it_is_the_serial_tree_for_every_criterion(name: str) -> None:
    p = problem(name, 200, 6, missing=0.2, levels=2)
    serial = grow_exact_tree(p.X, p.stats, p.criterion, 6, min_weight=3)
    for seed in range(3):
        parts = columns(6, 4, seed)
        run = simulate(
            yggdrasil_tree,
            4,
            PerRank([p.X[:, part] for part in parts]),
            p.stats,
            PerRank(parts),
            p.criterion,
            6,
            min_weight=3,
        )
        assert all(tree.same_as(serial) for tree in run.results)
        assert run.ledger.total_bytes == predicted_bytes(p, serial, parts, 6)


def test_the_bits_are_bits() -> None:
    """A row costs one bit a level to each other rank, and no byte."""
    p = problem("variance", 8000, 2)
    parts = columns(2, 2)
    own = PerRank([p.X[:, part] for part in parts])
    run = simulate(yggdrasil_tree, 2, own, p.stats, PerRank(parts), p.criterion, 1)
    cuts = 2 * (5 + 3) * 8
    assert run.ledger.total_bytes == 8000 / 8 + cuts
