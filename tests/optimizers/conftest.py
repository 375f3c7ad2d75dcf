"""Muon of torch works in bfloat16, which would hide all but the first two digits."""

import pytest
import torch


@pytest.fixture
def muon_in_double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda tensor: tensor.clone())
