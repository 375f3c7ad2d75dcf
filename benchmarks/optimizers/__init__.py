"""Optimizers beside torch's."""
