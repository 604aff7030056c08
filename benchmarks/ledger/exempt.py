"""Functions with an uncertainty in their answer that have no row, and why."""

from __future__ import annotations

ERRORS = "standard errors of a measurement, judged as z against planted scenes in {}"
SCENE = "makes or judges planted scenes: what it holds is the truth"
PART = "no estimate of its own: {}"

EXEMPT: dict[str, str] = {
    # ---- exact, or planted
    "lattice_models.exact_enumeration": "exact sums, no estimate",
    "lattice_models.mbar_estimate": "Monte Carlo errors, judged in benchmarks/monte_carlo/oracles",
    "datasets.column_bounds": "Cramer-Rao bounds, no estimate",
    "datasets.scene_bounds": "Cramer-Rao bounds, no estimate",
    "datasets.operating_envelope": "Cramer-Rao bounds, no estimate",
    "datasets.make_channel_scene": SCENE,
    "datasets.make_spectra": SCENE,
    "datasets.score_events": SCENE,
    "datasets.score_positions": SCENE,
    "inference.check_calibration": "the measure of all rows; its own level: tests of calibration",
    "inference.cramer_rao_bound": "Cramer-Rao bounds, no estimate",
    "inference.snapshot_bound": "Cramer-Rao bounds, no estimate",
    # ---- measurements with standard errors
    "datasets.align_patches": ERRORS.format("tests/datasets/patches"),
    "datasets.average_scans": ERRORS.format("tests/datasets/scan"),
    "datasets.check_consistency": "a test whose answer is a z of its own",
    "datasets.combine_scans": ERRORS.format("tests/datasets/scan"),
    "datasets.correct_scan": ERRORS.format("tests/datasets/scan"),
    "datasets.find_components": ERRORS.format("tests/datasets/components"),
    "datasets.find_hops": "times and places of hops; the rate's posterior: hops/track",
    "datasets.find_surface_atoms": ERRORS.format("tests/datasets/surfaces"),
    "datasets.find_tip_changes": ERRORS.format("tests/datasets/surfaces"),
    "datasets.find_vacancies": "false discoveries are controlled: tests/datasets/sites",
    "datasets.level_scan": ERRORS.format("tests/datasets/surfaces"),
    "datasets.link_atoms": ERRORS.format("tests/datasets/motion"),
    "datasets.measure_bond_order": ERRORS.format("tests/datasets/structure"),
    "datasets.measure_channel_noise": ERRORS.format("tests/datasets/channels"),
    "datasets.measure_detector": ERRORS.format("tests/datasets"),
    "datasets.measure_drift": ERRORS.format("tests/datasets/frames"),
    "datasets.measure_polarization": ERRORS.format("tests/datasets/structure"),
    "datasets.measure_strain": ERRORS.format("tests/datasets/structure"),
    "datasets.measure_wall_advance": "coverage over films: tests/datasets/wall_motion",
    "datasets.polar_fourier": ERRORS.format("tests/datasets/descriptors"),
    "datasets.register_channels": ERRORS.format("tests/datasets/channels"),
    "datasets.register_images": ERRORS.format("tests/datasets/frames"),
    # ---- chances of classes and held-out predictions
    "datasets.classify_patches": "accuracy of held-out labels: tests/datasets/components",
    "datasets.cluster_patches": "chances of classes, scored on planted ones in benchmarks/patches",
    "datasets.fuse_modalities": "chances of classes, scored on planted ones in benchmarks/patches",
    "datasets.count_ring_defects": "counts with a binomial interval: shares/binomial",
    "datasets.count_transitions": "counts of a graph's edges with binomial intervals",
    "datasets.predict_spectra": "conformal intervals that carry their own held-out coverage",
    "datasets.predict_patches": "conformal intervals that carry their own held-out coverage",
    # ---- parts of estimators that have rows
    "inference.bootstrap_laws": PART.format("resamples what the caller fits"),
    "inference.family_from_function": PART.format("a prior"),
    "inference.fit_batch": PART.format("fit_lattice_hamiltonian on many pictures"),
    "inference.make_family": PART.format("a prior"),
    "inference.make_prior": PART.format("a prior"),
    "inference.pinning_of": PART.format("the map of a fit: walls/pinned"),
    "inference.predict_walls": "coverage of held-out frames: benchmarks/walls, forecasts",
    "inference.prior_from_forces": PART.format("a prior from pairs/computed"),
    "inference.prior_of": PART.format("a prior"),
    "inference.remove_drift": PART.format("tracks"),
    "inference.sample_exchange": PART.format("the sampler of lattice/16_exchange"),
    "inference.snapshot_potential": PART.format("a log density"),
    # ---- searches of laws: the constants' posterior is one for all of them
    "inference.discover_field_law": "minutes a film; coverage in benchmarks/laws/dynamics",
    "inference.discover_pair_law": "minutes a film; coverage in benchmarks/laws/dynamics",
    "inference.discover_wall_law": "front likelihood of walls/open; benchmarks/laws/dynamics",
    # ---- plans and hypotheses
    "causal.actions_from_event_rates": PART.format("chances of acts from beam/counts"),
    "causal.exposures": PART.format("a library of acts"),
    "causal.assess": "e-values, valid at any stopping: benchmarks/planning/guarded",
    "causal.follow": "e-values, valid at any stopping: benchmarks/planning/guarded",
    "causal.nested_effect": "e-values, valid at any stopping: benchmarks/planning/guarded",
    "causal.practical_equivalence": "holds the effect at all times together, so by design oftener",
    "causal.canonical_correlation": "weights of a projection, no error is claimed",
    "causal.compare_counterfactuals": "a test of two answers that have rows",
    "causal.design_table": PART.format("members and noise as given"),
    "causal.sensitivity": "bounds on hidden causes, from causes/effect",
    **{
        f"causal.{name}": PART.format("draws of a fit as members of a hypothesis")
        for name in (
            "hypotheses_from_couplings", "hypotheses_from_functions", "hypotheses_from_graph",
            "hypotheses_from_hamiltonians", "hypotheses_from_landau_fits", "hypotheses_from_laws",
            "hypotheses_from_mean_functions", "hypotheses_from_members",
            "hypotheses_from_pair_fits", "hypotheses_from_undecided", "hypotheses_from_wall_fit",
            "hypotheses_from_wall_laws", "hypothesis_from_draws", "hypothesis_from_fit",
            "hypothesis_from_samples", "hypothesis_from_simulator",
        )
    },
}  # fmt: skip
