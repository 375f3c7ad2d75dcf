"""Distributed trees beside scikit-learn and XGBoost."""
