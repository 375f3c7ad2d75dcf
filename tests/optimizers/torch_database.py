"""Print torch's own list of optimizer configurations as JSON: ``python torch_database.py``.

A program of its own, because torch's test module changes settings of the process that imports it.
It asks for `expecttest`, which the list does not need; a stand-in does where it is missing. The
list for "cuda" holds all of the CPU's, and more; to read it takes no GPU.
"""

import importlib.util
import json
import sys
import types
import unittest
from typing import Any

NAMES = ("SGD", "Adagrad", "RMSprop", "Adam", "AdamW", "Muon")


def plain(value: Any) -> Any:
    """Return a tensor of one number as a float, a tuple as a list."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return float(value) if hasattr(value, "numel") else value


def main() -> None:
    """Print a list of [optimizer, description, options]."""
    if importlib.util.find_spec("expecttest") is None:
        stand_in = types.ModuleType("expecttest")
        stand_in.TestCase = unittest.TestCase
        sys.modules["expecttest"] = stand_in
    import torch
    from torch.testing._internal.common_optimizers import optim_db

    infos = {info.optim_cls.__name__: info for info in optim_db}
    rows = [
        [name, entry.desc, {option: plain(value) for option, value in entry.kwargs.items()}]
        for name in NAMES
        for entry in infos[name].optim_inputs_func(device="cuda", dtype=torch.float64)
    ]
    print("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]")


if __name__ == "__main__":
    main()
