"""Couplings of many binary units without a lattice."""
