"""Descriptors of patches beside others: clusters, disorder, few labels, errors, speed, memory."""
