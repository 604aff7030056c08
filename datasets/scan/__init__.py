"""Errors of the scan: jitter, drift, registration."""
