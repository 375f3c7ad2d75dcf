"""Federated learning beside Flower."""
