"""Distributed optimization beside scikit-learn's liblinear and the same arithmetic in series."""
