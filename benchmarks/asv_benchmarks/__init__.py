"""Ten calls that asv follows over revisions: ``cd benchmarks && asv run --python=same``."""
