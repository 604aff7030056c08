"""Simulation-based calibration of any estimator."""
