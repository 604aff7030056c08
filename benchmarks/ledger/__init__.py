"""The calibration ledger: every estimator with a posterior, over its prior, and where it flags."""
