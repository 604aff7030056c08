"""Priors, populations of replicas, log Z surfaces and the posteriors that follow."""
