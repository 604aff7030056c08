"""Names of the package for editors and type checkers; written by tools/stubs."""

from physlearn.lattice_models.chain_statistics import ChainStatistics as ChainStatistics
from physlearn.lattice_models.chain_statistics import autocorrelation_time as autocorrelation_time
from physlearn.lattice_models.chain_statistics import sample_statistics as sample_statistics
from physlearn.lattice_models.exact_answers.elimination import (
    ExactThermodynamics as ExactThermodynamics,
)
from physlearn.lattice_models.exact_answers.elimination import (
    draw_exact_snapshots as draw_exact_snapshots,
)
from physlearn.lattice_models.exact_answers.elimination import (
    exact_thermodynamics as exact_thermodynamics,
)
from physlearn.lattice_models.exact_answers.enumeration import ExactEnsemble as ExactEnsemble
from physlearn.lattice_models.exact_answers.enumeration import (
    exact_enumeration as exact_enumeration,
)
from physlearn.lattice_models.exact_answers.ising_hexagonal import (
    hexagonal_energy as hexagonal_energy,
)
from physlearn.lattice_models.exact_answers.ising_hexagonal import (
    hexagonal_free_energy as hexagonal_free_energy,
)
from physlearn.lattice_models.exact_answers.ising_hexagonal import (
    hexagonal_heat_capacity as hexagonal_heat_capacity,
)
from physlearn.lattice_models.exact_answers.ising_hexagonal import (
    hexagonal_magnetization as hexagonal_magnetization,
)
from physlearn.lattice_models.exact_answers.ising_square import (
    critical_coupling as critical_coupling,
)
from physlearn.lattice_models.exact_answers.ising_square import onsager_energy as onsager_energy
from physlearn.lattice_models.exact_answers.ising_square import (
    onsager_free_energy as onsager_free_energy,
)
from physlearn.lattice_models.exact_answers.ising_square import (
    onsager_heat_capacity as onsager_heat_capacity,
)
from physlearn.lattice_models.exact_answers.ising_square import (
    onsager_interface_tension as onsager_interface_tension,
)
from physlearn.lattice_models.exact_answers.ising_square import (
    onsager_magnetization as onsager_magnetization,
)
from physlearn.lattice_models.exact_answers.ising_torus import IsingTorus as IsingTorus
from physlearn.lattice_models.exact_answers.ising_torus import (
    ising_energy_levels as ising_energy_levels,
)
from physlearn.lattice_models.exact_answers.ising_torus import kaufman_torus as kaufman_torus
from physlearn.lattice_models.exact_answers.torus_transfer import TorusEnsemble as TorusEnsemble
from physlearn.lattice_models.exact_answers.torus_transfer import torus_ensemble as torus_ensemble
from physlearn.lattice_models.exact_answers.torus_transfer import (
    torus_magnetization_distribution as torus_magnetization_distribution,
)
from physlearn.lattice_models.exact_answers.transfer_matrix import InfiniteStrip as InfiniteStrip
from physlearn.lattice_models.exact_answers.transfer_matrix import (
    strip_free_energy as strip_free_energy,
)
from physlearn.lattice_models.fields.forcing import FieldDrive as FieldDrive
from physlearn.lattice_models.fields.forcing import Pinning as Pinning
from physlearn.lattice_models.fields.forcing import random_pinning as random_pinning
from physlearn.lattice_models.fields.ginzburg_landau import (
    simulate_ginzburg_landau as simulate_ginzburg_landau,
)
from physlearn.lattice_models.fields.nonlocal_energies import (
    DepolarizationEnergy as DepolarizationEnergy,
)
from physlearn.lattice_models.fields.nonlocal_energies import ElasticEnergy as ElasticEnergy
from physlearn.lattice_models.fields.nonlocal_energies import (
    ThinFilmDepolarization as ThinFilmDepolarization,
)
from physlearn.lattice_models.fields.potentials import LandauPotential as LandauPotential
from physlearn.lattice_models.fields.potentials import (
    VectorLandauPotential as VectorLandauPotential,
)
from physlearn.lattice_models.fields.settings import FieldSettings as FieldSettings
from physlearn.lattice_models.fields.walls import wall_profile as wall_profile
from physlearn.lattice_models.fields.walls import wall_tension as wall_tension
from physlearn.lattice_models.fields.walls import wall_velocity as wall_velocity
from physlearn.lattice_models.fields.walls import wall_width as wall_width
from physlearn.lattice_models.graphs.regular_lattices import cubic_lattice as cubic_lattice
from physlearn.lattice_models.graphs.regular_lattices import honeycomb_lattice as honeycomb_lattice
from physlearn.lattice_models.graphs.regular_lattices import square_lattice as square_lattice
from physlearn.lattice_models.graphs.regular_lattices import (
    triangular_lattice as triangular_lattice,
)
from physlearn.lattice_models.graphs.site_graphs import keep_sites as keep_sites
from physlearn.lattice_models.graphs.site_graphs import remove_sites as remove_sites
from physlearn.lattice_models.graphs.site_graphs import (
    site_graph_from_networkx as site_graph_from_networkx,
)
from physlearn.lattice_models.graphs.site_graphs import (
    site_graph_from_positions as site_graph_from_positions,
)
from physlearn.lattice_models.graphs.triplets import find_triplets as find_triplets
from physlearn.lattice_models.hamiltonians.energy_terms import EnergyTerms as EnergyTerms
from physlearn.lattice_models.hamiltonians.energy_terms import Hamiltonian as Hamiltonian
from physlearn.lattice_models.hamiltonians.energy_terms import energy_of_codes as energy_of_codes
from physlearn.lattice_models.hamiltonians.energy_terms import make_terms as make_terms
from physlearn.lattice_models.hamiltonians.energy_terms import state_codes as state_codes
from physlearn.lattice_models.hamiltonians.state_hamiltonians import BlumeCapel as BlumeCapel
from physlearn.lattice_models.hamiltonians.state_hamiltonians import Clock as Clock
from physlearn.lattice_models.hamiltonians.state_hamiltonians import (
    PairHamiltonian as PairHamiltonian,
)
from physlearn.lattice_models.hamiltonians.state_hamiltonians import Potts as Potts
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising as Ising
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import LatticeGas as LatticeGas
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import (
    coupling_from_bond_energy as coupling_from_bond_energy,
)
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import spin_glass as spin_glass
from physlearn.lattice_models.kinetics.event_rates import BeamSchedule as BeamSchedule
from physlearn.lattice_models.kinetics.event_rates import HopRates as HopRates
from physlearn.lattice_models.kinetics.event_rates import Transformation as Transformation
from physlearn.lattice_models.kinetics.event_rates import arrhenius_rate_hz as arrhenius_rate_hz
from physlearn.lattice_models.kinetics.event_records import HopHistory as HopHistory
from physlearn.lattice_models.kinetics.event_records import (
    TransformationHistory as TransformationHistory,
)
from physlearn.lattice_models.kinetics.hopping import simulate_hop_history as simulate_hop_history
from physlearn.lattice_models.kinetics.hopping import simulate_hops as simulate_hops
from physlearn.lattice_models.kinetics.transformations import (
    simulate_transformation_history as simulate_transformation_history,
)
from physlearn.lattice_models.kinetics.transformations import (
    simulate_transformations as simulate_transformations,
)
from physlearn.lattice_models.particles.energies import particle_energy as particle_energy
from physlearn.lattice_models.particles.energies import particle_forces as particle_forces
from physlearn.lattice_models.particles.energies import particle_pressure as particle_pressure
from physlearn.lattice_models.particles.harmonic_trap import HarmonicTrap as HarmonicTrap
from physlearn.lattice_models.particles.langevin import simulate_langevin as simulate_langevin
from physlearn.lattice_models.particles.langevin_motion import LangevinSettings as LangevinSettings
from physlearn.lattice_models.particles.metropolis import MetropolisSettings as MetropolisSettings
from physlearn.lattice_models.particles.metropolis import sample_positions as sample_positions
from physlearn.lattice_models.particles.neighbours import neighbour_pairs as neighbour_pairs
from physlearn.lattice_models.particles.pair_table import PairTable as PairTable
from physlearn.lattice_models.particles.potentials import InversePower as InversePower
from physlearn.lattice_models.particles.potentials import LennardJones as LennardJones
from physlearn.lattice_models.particles.potentials import Morse as Morse
from physlearn.lattice_models.particles.potentials import StillingerWeberPair as StillingerWeberPair
from physlearn.lattice_models.particles.potentials import Yukawa as Yukawa
from physlearn.lattice_models.particles.spline_potential import SplinePotential as SplinePotential
from physlearn.lattice_models.particles.three_body import (
    StillingerWeberAngle as StillingerWeberAngle,
)
from physlearn.lattice_models.replicas.pair_replicas import Replicas as Replicas
from physlearn.lattice_models.replicas.state_replicas import StateReplicas as StateReplicas
from physlearn.lattice_models.samplers.checkerboard import CheckerboardIsing as CheckerboardIsing
from physlearn.lattice_models.samplers.clusters import SwendsenWangEngine as SwendsenWangEngine
from physlearn.lattice_models.samplers.clusters import WolffEngine as WolffEngine
from physlearn.lattice_models.samplers.multispin import MultispinIsing as MultispinIsing
from physlearn.lattice_models.simulate import simulate_lattice as simulate_lattice
from physlearn.lattice_models.tempering.mbar import MbarEstimate as MbarEstimate
from physlearn.lattice_models.tempering.mbar import mbar_estimate as mbar_estimate
from physlearn.lattice_models.tempering.temper_lattice import TemperingResult as TemperingResult
from physlearn.lattice_models.tempering.temper_lattice import temper_lattice as temper_lattice
from physlearn.lattice_models.tempering.tempering_engine import choose_ladder as choose_ladder
from physlearn.lattice_models.walls.driven_line import LineOptions as LineOptions
from physlearn.lattice_models.walls.driven_line import line_energy as line_energy
from physlearn.lattice_models.walls.driven_line import simulate_wall as simulate_wall
from physlearn.lattice_models.walls.pinning import PinningLandscape as PinningLandscape
from physlearn.lattice_models.walls.pinning import random_landscape as random_landscape
from physlearn.lattice_models.walls.wall_front import propagate_polar_front as propagate_polar_front

__all__ = [
    "BeamSchedule",
    "BlumeCapel",
    "ChainStatistics",
    "CheckerboardIsing",
    "Clock",
    "DepolarizationEnergy",
    "ElasticEnergy",
    "EnergyTerms",
    "ExactEnsemble",
    "ExactThermodynamics",
    "FieldDrive",
    "FieldSettings",
    "Hamiltonian",
    "HarmonicTrap",
    "HopHistory",
    "HopRates",
    "InfiniteStrip",
    "InversePower",
    "Ising",
    "IsingTorus",
    "LandauPotential",
    "LangevinSettings",
    "LatticeGas",
    "LennardJones",
    "LineOptions",
    "MbarEstimate",
    "MetropolisSettings",
    "Morse",
    "MultispinIsing",
    "PairHamiltonian",
    "PairTable",
    "Pinning",
    "PinningLandscape",
    "Potts",
    "Replicas",
    "SplinePotential",
    "StateReplicas",
    "StillingerWeberAngle",
    "StillingerWeberPair",
    "SwendsenWangEngine",
    "TemperingResult",
    "ThinFilmDepolarization",
    "TorusEnsemble",
    "Transformation",
    "TransformationHistory",
    "VectorLandauPotential",
    "WolffEngine",
    "Yukawa",
    "arrhenius_rate_hz",
    "autocorrelation_time",
    "choose_ladder",
    "coupling_from_bond_energy",
    "critical_coupling",
    "cubic_lattice",
    "draw_exact_snapshots",
    "energy_of_codes",
    "exact_enumeration",
    "exact_thermodynamics",
    "find_triplets",
    "hexagonal_energy",
    "hexagonal_free_energy",
    "hexagonal_heat_capacity",
    "hexagonal_magnetization",
    "honeycomb_lattice",
    "ising_energy_levels",
    "kaufman_torus",
    "keep_sites",
    "line_energy",
    "make_terms",
    "mbar_estimate",
    "neighbour_pairs",
    "onsager_energy",
    "onsager_free_energy",
    "onsager_heat_capacity",
    "onsager_interface_tension",
    "onsager_magnetization",
    "particle_energy",
    "particle_forces",
    "particle_pressure",
    "propagate_polar_front",
    "random_landscape",
    "random_pinning",
    "remove_sites",
    "sample_positions",
    "sample_statistics",
    "simulate_ginzburg_landau",
    "simulate_hop_history",
    "simulate_hops",
    "simulate_langevin",
    "simulate_lattice",
    "simulate_transformation_history",
    "simulate_transformations",
    "simulate_wall",
    "site_graph_from_networkx",
    "site_graph_from_positions",
    "spin_glass",
    "square_lattice",
    "state_codes",
    "strip_free_energy",
    "temper_lattice",
    "torus_ensemble",
    "torus_magnetization_distribution",
    "triangular_lattice",
    "wall_profile",
    "wall_tension",
    "wall_velocity",
    "wall_width",
]
