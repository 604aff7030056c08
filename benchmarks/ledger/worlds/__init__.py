"""Worlds of the ledger, by kind of data."""
