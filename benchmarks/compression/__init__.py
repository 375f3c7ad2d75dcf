"""Gradient compression beside GRACE's code for torch, and bytes beside their formulas."""
