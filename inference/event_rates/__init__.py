"""Rates of hops and of changes under the beam, barriers and cross sections."""
