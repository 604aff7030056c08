"""Tests of independence, graphs, effects and counterfactuals on planted worlds of patches."""
