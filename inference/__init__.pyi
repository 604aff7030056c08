"""Names of the package for editors and type checkers; written by tools/stubs."""

from physlearn.inference.adequacy.lattice_adequacy import Adequacy as Adequacy
from physlearn.inference.adequacy.lattice_adequacy import check_adequacy as check_adequacy
from physlearn.inference.adequacy.model_comparison import LatticeModel as LatticeModel
from physlearn.inference.adequacy.model_comparison import ModelComparison as ModelComparison
from physlearn.inference.adequacy.model_comparison import compare_models as compare_models
from physlearn.inference.batch import BatchFits as BatchFits
from physlearn.inference.batch import fit_batch as fit_batch
from physlearn.inference.binary_walls.binary_walls import fit_binary_walls as fit_binary_walls
from physlearn.inference.calibration.calibration import check_calibration as check_calibration
from physlearn.inference.calibration.calibration_report import (
    CalibrationReport as CalibrationReport,
)
from physlearn.inference.configurations.compare_potentials import (
    PotentialCandidate as PotentialCandidate,
)
from physlearn.inference.configurations.compare_potentials import (
    PotentialComparison as PotentialComparison,
)
from physlearn.inference.configurations.compare_potentials import (
    compare_potentials as compare_potentials,
)
from physlearn.inference.configurations.fit_pair_potential import (
    fit_pair_potential as fit_pair_potential,
)
from physlearn.inference.configurations.radial_distribution import (
    RadialPrediction as RadialPrediction,
)
from physlearn.inference.configurations.radial_distribution import (
    check_pair_potential as check_pair_potential,
)
from physlearn.inference.configurations.radial_distribution import (
    measure_radial_distribution as measure_radial_distribution,
)
from physlearn.inference.configurations.radial_distribution import (
    predict_radial_distribution as predict_radial_distribution,
)
from physlearn.inference.configurations.snapshot_bound import SnapshotBound as SnapshotBound
from physlearn.inference.configurations.snapshot_bound import snapshot_bound as snapshot_bound
from physlearn.inference.configurations.snapshot_energies import ThreeBody as ThreeBody
from physlearn.inference.configurations.snapshot_potential import (
    SnapshotPotential as SnapshotPotential,
)
from physlearn.inference.configurations.snapshot_potential import snapshot_model as snapshot_model
from physlearn.inference.configurations.snapshot_potential import (
    snapshot_potential as snapshot_potential,
)
from physlearn.inference.configurations.structural_constraints import (
    measure_structure as measure_structure,
)
from physlearn.inference.crystals.crystal_model import crystal_model as crystal_model
from physlearn.inference.crystals.dispersion import dispersion_curve as dispersion_curve
from physlearn.inference.crystals.fit_crystal import fit_crystal as fit_crystal
from physlearn.inference.crystals.harmonic_crystal import (
    sample_harmonic_crystal as sample_harmonic_crystal,
)
from physlearn.inference.crystals.spring_bound import spring_bound as spring_bound
from physlearn.inference.dynamics.discover_dynamics import discover_dynamics as discover_dynamics
from physlearn.inference.dynamics.drift_law import DriftLawOptions as DriftLawOptions
from physlearn.inference.dynamics.drift_law import discover_drift_law as discover_drift_law
from physlearn.inference.dynamics.dynamics_laws import DynamicsLaws as DynamicsLaws
from physlearn.inference.dynamics.field_law import discover_field_law as discover_field_law
from physlearn.inference.dynamics.field_options import FieldLawOptions as FieldLawOptions
from physlearn.inference.dynamics.motion_coordinates import film_coordinates as film_coordinates
from physlearn.inference.dynamics.motion_coordinates import track_series as track_series
from physlearn.inference.dynamics.motion_law import MotionLawOptions as MotionLawOptions
from physlearn.inference.dynamics.motion_law import discover_motion_law as discover_motion_law
from physlearn.inference.dynamics.pair_law import discover_pair_law as discover_pair_law
from physlearn.inference.dynamics.pair_options import PairLawOptions as PairLawOptions
from physlearn.inference.dynamics.wall_laws import discover_wall_law as discover_wall_law
from physlearn.inference.dynamics.wall_options import WallLawOptions as WallLawOptions
from physlearn.inference.energies.cluster_expansion import EnergyOptions as EnergyOptions
from physlearn.inference.energies.cluster_expansion import (
    fit_hamiltonian_to_energies as fit_hamiltonian_to_energies,
)
from physlearn.inference.energies.energy_prior import (
    join_energies_and_snapshots as join_energies_and_snapshots,
)
from physlearn.inference.energies.energy_prior import prior_from_energies as prior_from_energies
from physlearn.inference.energies.expansion_ordering import OrderingPrediction as OrderingPrediction
from physlearn.inference.energies.expansion_ordering import (
    hamiltonian_from_energies as hamiltonian_from_energies,
)
from physlearn.inference.energies.expansion_ordering import predict_ordering as predict_ordering
from physlearn.inference.energies.shrunken_regression import ShrinkagePrior as ShrinkagePrior
from physlearn.inference.event_rates.beam_rates import fit_beam_rates as fit_beam_rates
from physlearn.inference.event_rates.beam_table import transformation_table as transformation_table
from physlearn.inference.event_rates.event_chances import event_probability as event_probability
from physlearn.inference.event_rates.hop_rates import fit_hop_rates as fit_hop_rates
from physlearn.inference.event_rates.hopping_tracks import is_hopping as is_hopping
from physlearn.inference.event_rates.knock_on import (
    knock_on_cross_section as knock_on_cross_section,
)
from physlearn.inference.event_rates.rate_models import event_rate_model as event_rate_model
from physlearn.inference.fields.ginzburg_landau_fit import (
    fit_ginzburg_landau as fit_ginzburg_landau,
)
from physlearn.inference.fields.predict_frames import predict_frames as predict_frames
from physlearn.inference.fields.user_terms import FieldTerm as FieldTerm
from physlearn.inference.force_fields.fit_forces import fit_forces as fit_forces
from physlearn.inference.force_fields.force_prior import prior_from_forces as prior_from_forces
from physlearn.inference.force_fields.force_pymc import force_model as force_model
from physlearn.inference.hysteresis.landau_loop import fit_landau_loop as fit_landau_loop
from physlearn.inference.langevin.diffusion import Diffusion as Diffusion
from physlearn.inference.langevin.diffusion import measure_diffusion as measure_diffusion
from physlearn.inference.langevin.drift_removal import remove_drift as remove_drift
from physlearn.inference.langevin.fit_langevin import fit_langevin as fit_langevin
from physlearn.inference.langevin.force_map import ForceMapSettings as ForceMapSettings
from physlearn.inference.langevin.force_map import fit_force_map as fit_force_map
from physlearn.inference.langevin.force_map import force_map_table as force_map_table
from physlearn.inference.langevin.force_map_model import force_map_model as force_map_model
from physlearn.inference.langevin.missed_links import cut_swaps as cut_swaps
from physlearn.inference.langevin.missed_links import find_swaps as find_swaps
from physlearn.inference.langevin.motion_models import diffusion_model as diffusion_model
from physlearn.inference.langevin.motion_models import noisy_motion_model as noisy_motion_model
from physlearn.inference.langevin.noisy_motion import fit_noisy_motion as fit_noisy_motion
from physlearn.inference.langevin.pair_force_by_distance import (
    measure_pair_force as measure_pair_force,
)
from physlearn.inference.langevin.stokes_einstein import stokes_einstein as stokes_einstein
from physlearn.inference.langevin.track_report import check_trajectory as check_trajectory
from physlearn.inference.langevin.underdamped import fit_underdamped as fit_underdamped
from physlearn.inference.large_squares.large_square import fit_large_square as fit_large_square
from physlearn.inference.lattices.fit_contents import data_of as data_of
from physlearn.inference.lattices.fit_contents import family_of as family_of
from physlearn.inference.lattices.fit_contents import prior_of as prior_of
from physlearn.inference.lattices.fit_contents import snapshots_of as snapshots_of
from physlearn.inference.lattices.fit_contents import theta_of as theta_of
from physlearn.inference.lattices.lattice_bounds import cramer_rao_bound as cramer_rao_bound
from physlearn.inference.lattices.lattice_family import LatticeFamily as LatticeFamily
from physlearn.inference.lattices.lattice_family import lattice_family as lattice_family
from physlearn.inference.lattices.lattice_hamiltonian import (
    fit_lattice_hamiltonian as fit_lattice_hamiltonian,
)
from physlearn.inference.law_backends.sindy import compare_with_pysindy as compare_with_pysindy
from physlearn.inference.law_data.grouped_laws import fit_grouped_law as fit_grouped_law
from physlearn.inference.law_data.grouped_search import GroupedSearchOptions as GroupedSearchOptions
from physlearn.inference.law_data.grouped_search import discover_grouped_law as discover_grouped_law
from physlearn.inference.law_data.law_constraints import LawConstraints as LawConstraints
from physlearn.inference.law_data.noise_models import NoiseModel as NoiseModel
from physlearn.inference.law_data.template_forms import TemplateOptions as TemplateOptions
from physlearn.inference.law_data.templates import compare_templates as compare_templates
from physlearn.inference.law_data.templates import fit_template as fit_template
from physlearn.inference.laws.equation_set import EquationSet as EquationSet
from physlearn.inference.laws.law_bootstrap import bootstrap_laws as bootstrap_laws
from physlearn.inference.laws.regressor_options import RegressorOptions as RegressorOptions
from physlearn.inference.laws.symbolic import SymbolicRegressor as SymbolicRegressor
from physlearn.inference.measurement.crosstalk import Crosstalk as Crosstalk
from physlearn.inference.measurement.crosstalk import read_intensities as read_intensities
from physlearn.inference.measurement.crosstalk import simulate_intensities as simulate_intensities
from physlearn.inference.measurement.flip_rate import FlipRate as FlipRate
from physlearn.inference.measurement.lattice_margin import (
    extend_field_of_view as extend_field_of_view,
)
from physlearn.inference.measurement.measurement_effects import missed_sites as missed_sites
from physlearn.inference.networks.binary_units import BinaryUnitOptions as BinaryUnitOptions
from physlearn.inference.networks.binary_units import fit_binary_units as fit_binary_units
from physlearn.inference.networks.binary_units import unit_network as unit_network
from physlearn.inference.pinning.pinning_map import fit_pinning_map as fit_pinning_map
from physlearn.inference.pinning.pinning_map import pinning_of as pinning_of
from physlearn.inference.pooling.hierarchy import PoolingOptions as PoolingOptions
from physlearn.inference.pooling.hierarchy import pool_couplings as pool_couplings
from physlearn.inference.posteriors.exchange_algorithm import sample_exchange as sample_exchange
from physlearn.inference.posteriors.lattice_population import make_population as make_population
from physlearn.inference.posteriors.priors import LatticePrior as LatticePrior
from physlearn.inference.posteriors.priors import Prior as Prior
from physlearn.inference.posteriors.priors import make_prior as make_prior
from physlearn.inference.posteriors.pymc_bridge import LatticePotential as LatticePotential
from physlearn.inference.posteriors.pymc_bridge import lattice_potential as lattice_potential
from physlearn.inference.potential_families.fit_contents import potential_curve as potential_curve
from physlearn.inference.potential_families.fit_contents import potential_of as potential_of
from physlearn.inference.potential_families.make_family import make_family as make_family
from physlearn.inference.potential_families.pair_family import PairFamily as PairFamily
from physlearn.inference.potential_families.user_function import (
    family_from_function as family_from_function,
)
from physlearn.inference.prediction.phase_diagram import PhaseDiagram as PhaseDiagram
from physlearn.inference.prediction.phase_diagram import (
    predict_phase_diagram as predict_phase_diagram,
)
from physlearn.inference.prediction.predicted_pictures import predict_pictures as predict_pictures
from physlearn.inference.prediction.thermodynamics import LadderOptions as LadderOptions
from physlearn.inference.prediction.thermodynamics import (
    ThermodynamicPrediction as ThermodynamicPrediction,
)
from physlearn.inference.prediction.thermodynamics import (
    predict_thermodynamics as predict_thermodynamics,
)
from physlearn.inference.wall_laws.drive_laws import fit_drive_law as fit_drive_law
from physlearn.inference.wall_laws.nucleation import fit_nucleation_rate as fit_nucleation_rate
from physlearn.inference.wall_profiles.wall_profile import fit_wall_profile as fit_wall_profile
from physlearn.inference.walls.wall_bound import wall_dynamics_bound as wall_dynamics_bound
from physlearn.inference.walls.wall_dynamics import fit_wall_dynamics as fit_wall_dynamics
from physlearn.inference.walls.wall_prediction import hold_out_frames as hold_out_frames
from physlearn.inference.walls.wall_prediction import predict_walls as predict_walls

__all__ = [
    "Adequacy",
    "BatchFits",
    "BinaryUnitOptions",
    "CalibrationReport",
    "Crosstalk",
    "Diffusion",
    "DriftLawOptions",
    "DynamicsLaws",
    "EnergyOptions",
    "EquationSet",
    "FieldLawOptions",
    "FieldTerm",
    "FlipRate",
    "ForceMapSettings",
    "GroupedSearchOptions",
    "LadderOptions",
    "LatticeFamily",
    "LatticeModel",
    "LatticePotential",
    "LatticePrior",
    "LawConstraints",
    "ModelComparison",
    "MotionLawOptions",
    "NoiseModel",
    "OrderingPrediction",
    "PairFamily",
    "PairLawOptions",
    "PhaseDiagram",
    "PoolingOptions",
    "PotentialCandidate",
    "PotentialComparison",
    "Prior",
    "RadialPrediction",
    "RegressorOptions",
    "ShrinkagePrior",
    "SnapshotBound",
    "SnapshotPotential",
    "SymbolicRegressor",
    "TemplateOptions",
    "ThermodynamicPrediction",
    "ThreeBody",
    "WallLawOptions",
    "bootstrap_laws",
    "check_adequacy",
    "check_calibration",
    "check_pair_potential",
    "check_trajectory",
    "compare_models",
    "compare_potentials",
    "compare_templates",
    "compare_with_pysindy",
    "cramer_rao_bound",
    "crystal_model",
    "cut_swaps",
    "data_of",
    "diffusion_model",
    "discover_drift_law",
    "discover_dynamics",
    "discover_field_law",
    "discover_grouped_law",
    "discover_motion_law",
    "discover_pair_law",
    "discover_wall_law",
    "dispersion_curve",
    "event_probability",
    "event_rate_model",
    "extend_field_of_view",
    "family_from_function",
    "family_of",
    "film_coordinates",
    "find_swaps",
    "fit_batch",
    "fit_beam_rates",
    "fit_binary_units",
    "fit_binary_walls",
    "fit_crystal",
    "fit_drive_law",
    "fit_force_map",
    "fit_forces",
    "fit_ginzburg_landau",
    "fit_grouped_law",
    "fit_hamiltonian_to_energies",
    "fit_hop_rates",
    "fit_landau_loop",
    "fit_langevin",
    "fit_large_square",
    "fit_lattice_hamiltonian",
    "fit_noisy_motion",
    "fit_nucleation_rate",
    "fit_pair_potential",
    "fit_pinning_map",
    "fit_template",
    "fit_underdamped",
    "fit_wall_dynamics",
    "fit_wall_profile",
    "force_map_model",
    "force_map_table",
    "force_model",
    "hamiltonian_from_energies",
    "hold_out_frames",
    "is_hopping",
    "join_energies_and_snapshots",
    "knock_on_cross_section",
    "lattice_family",
    "lattice_potential",
    "make_family",
    "make_population",
    "make_prior",
    "measure_diffusion",
    "measure_pair_force",
    "measure_radial_distribution",
    "measure_structure",
    "missed_sites",
    "noisy_motion_model",
    "pinning_of",
    "pool_couplings",
    "potential_curve",
    "potential_of",
    "predict_frames",
    "predict_ordering",
    "predict_phase_diagram",
    "predict_pictures",
    "predict_radial_distribution",
    "predict_thermodynamics",
    "predict_walls",
    "prior_from_energies",
    "prior_from_forces",
    "prior_of",
    "read_intensities",
    "remove_drift",
    "sample_exchange",
    "sample_harmonic_crystal",
    "simulate_intensities",
    "snapshot_bound",
    "snapshot_model",
    "snapshot_potential",
    "snapshots_of",
    "spring_bound",
    "stokes_einstein",
    "theta_of",
    "track_series",
    "transformation_table",
    "unit_network",
    "wall_dynamics_bound",
]
