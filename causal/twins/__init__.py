"""Digital twins: samples with hidden truth behind an instrument that errs as real ones do."""
