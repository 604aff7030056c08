"""Names of the package for editors and type checkers; written by tools/stubs."""

from physlearn.datasets import registry as registry
from physlearn.datasets.channels.angles import complex_response as complex_response
from physlearn.datasets.channels.angles import is_angle as is_angle
from physlearn.datasets.channels.average_scans import AveragedScans as AveragedScans
from physlearn.datasets.channels.average_scans import average_scans as average_scans
from physlearn.datasets.channels.channel_noise import ChannelNoise as ChannelNoise
from physlearn.datasets.channels.derived_channels import DerivedChannel as DerivedChannel
from physlearn.datasets.channels.derived_channels import (
    find_derived_channels as find_derived_channels,
)
from physlearn.datasets.channels.match_resolution import MatchedChannels as MatchedChannels
from physlearn.datasets.channels.match_resolution import match_resolution as match_resolution
from physlearn.datasets.channels.measure_noise import declare_noise as declare_noise
from physlearn.datasets.channels.measure_noise import measure_channel_noise as measure_channel_noise
from physlearn.datasets.channels.register_channels import RegisteredChannels as RegisteredChannels
from physlearn.datasets.channels.register_channels import register_channels as register_channels
from physlearn.datasets.channels.repeats import RepeatPair as RepeatPair
from physlearn.datasets.channels.repeats import align_repeat as align_repeat
from physlearn.datasets.columns.atoms_in_stack import AtomFrames as AtomFrames
from physlearn.datasets.columns.atoms_in_stack import StackAtomsOptions as StackAtomsOptions
from physlearn.datasets.columns.atoms_in_stack import find_atoms_in_stack as find_atoms_in_stack
from physlearn.datasets.columns.atoms_in_stack import load_atom_frames as load_atom_frames
from physlearn.datasets.columns.column_bounds import ColumnBounds as ColumnBounds
from physlearn.datasets.columns.column_bounds import column_bounds as column_bounds
from physlearn.datasets.columns.column_options import FindAtomsOptions as FindAtomsOptions
from physlearn.datasets.columns.detection_probability import (
    detection_probability as detection_probability,
)
from physlearn.datasets.columns.detector_noise import DetectorNoise as DetectorNoise
from physlearn.datasets.columns.detector_noise import measure_detector as measure_detector
from physlearn.datasets.columns.edited_atoms import apply_edits as apply_edits
from physlearn.datasets.columns.find_atoms import find_atoms as find_atoms
from physlearn.datasets.columns.operating_envelope import OperatingEnvelope as OperatingEnvelope
from physlearn.datasets.columns.operating_envelope import operating_envelope as operating_envelope
from physlearn.datasets.columns.self_consistency import ConsistencyCheck as ConsistencyCheck
from physlearn.datasets.columns.self_consistency import check_consistency as check_consistency
from physlearn.datasets.columns.tiles import find_atoms_in_tiles as find_atoms_in_tiles
from physlearn.datasets.columns.tiles import read_tile_covariance as read_tile_covariance
from physlearn.datasets.components.align_patches import AlignedPatches as AlignedPatches
from physlearn.datasets.components.align_patches import align_patches as align_patches
from physlearn.datasets.components.block_folds import BlockFolds as BlockFolds
from physlearn.datasets.components.block_folds import block_folds as block_folds
from physlearn.datasets.components.classify_patches import PatchClasses as PatchClasses
from physlearn.datasets.components.classify_patches import classify_patches as classify_patches
from physlearn.datasets.components.cluster_patches import PatchClusters as PatchClusters
from physlearn.datasets.components.cluster_patches import cluster_patches as cluster_patches
from physlearn.datasets.components.find_components import Components as Components
from physlearn.datasets.components.find_components import find_components as find_components
from physlearn.datasets.components.fuse_modalities import FusedModalities as FusedModalities
from physlearn.datasets.components.fuse_modalities import fuse_modalities as fuse_modalities
from physlearn.datasets.components.predict_spectra import Prediction as Prediction
from physlearn.datasets.components.predict_spectra import predict_patches as predict_patches
from physlearn.datasets.components.predict_spectra import predict_spectra as predict_spectra
from physlearn.datasets.descriptors.channel_names import (
    controlled_channel_name as controlled_channel_name,
)
from physlearn.datasets.descriptors.polar_fourier import PolarFourier as PolarFourier
from physlearn.datasets.descriptors.polar_fourier import PolarOptions as PolarOptions
from physlearn.datasets.descriptors.polar_fourier import polar_fourier as polar_fourier
from physlearn.datasets.descriptors.sliding_maps import crystallinity_map as crystallinity_map
from physlearn.datasets.descriptors.sliding_maps import sliding_fft as sliding_fft
from physlearn.datasets.descriptors.user_descriptor import Descriptor as Descriptor
from physlearn.datasets.descriptors.vocabulary import DescriptorTerm as DescriptorTerm
from physlearn.datasets.descriptors.vocabulary import descriptor_terms as descriptor_terms
from physlearn.datasets.layouts.data_layout import check_layout as check_layout
from physlearn.datasets.layouts.data_layout import layout_schema as layout_schema
from physlearn.datasets.layouts.patch_cell import patch_to_cell as patch_to_cell
from physlearn.datasets.layouts.required_metadata import required_metadata as required_metadata
from physlearn.datasets.layouts.save_channels import load_channels as load_channels
from physlearn.datasets.layouts.save_channels import save_channels as save_channels
from physlearn.datasets.layouts.save_table import save_table as save_table
from physlearn.datasets.motion.count_transitions import count_transitions as count_transitions
from physlearn.datasets.motion.find_hops import HopEvents as HopEvents
from physlearn.datasets.motion.find_hops import find_hops as find_hops
from physlearn.datasets.motion.link_atoms import LinkedAtoms as LinkedAtoms
from physlearn.datasets.motion.link_atoms import link_atoms as link_atoms
from physlearn.datasets.motion.synthetic_hops import HoppingFilm as HoppingFilm
from physlearn.datasets.motion.synthetic_hops import HoppingSettings as HoppingSettings
from physlearn.datasets.motion.synthetic_hops import make_hopping_film as make_hopping_film
from physlearn.datasets.patches.describe_patches import describe_patches as describe_patches
from physlearn.datasets.patches.patch_options import PatchOptions as PatchOptions
from physlearn.datasets.patches.patches_in_stack import (
    describe_patches_in_stack as describe_patches_in_stack,
)
from physlearn.datasets.reading.channel import Axis as Axis
from physlearn.datasets.reading.channel import Channel as Channel
from physlearn.datasets.reading.grid_points import grid_scan_points as grid_scan_points
from physlearn.datasets.reading.masks import atoms_from_mask as atoms_from_mask
from physlearn.datasets.reading.open_arrays import as_image as as_image
from physlearn.datasets.reading.open_stack import Stack as Stack
from physlearn.datasets.reading.open_stack import open_stack as open_stack
from physlearn.datasets.reading.read_channels import list_channels as list_channels
from physlearn.datasets.reading.read_channels import read_channels as read_channels
from physlearn.datasets.reading.read_coordinates import read_coordinates as read_coordinates
from physlearn.datasets.reading.read_forces import read_forces as read_forces
from physlearn.datasets.reading.read_images import read_image as read_image
from physlearn.datasets.reading.read_structures import (
    configuration_from_ase as configuration_from_ase,
)
from physlearn.datasets.reading.read_structures import read_structures as read_structures
from physlearn.datasets.reading.read_trajectories import read_trajectory as read_trajectory
from physlearn.datasets.reading.read_video import read_video as read_video
from physlearn.datasets.reading.readers import register_reader as register_reader
from physlearn.datasets.reading.scan_points import read_scan_points as read_scan_points
from physlearn.datasets.reading.scan_times import pixel_times as pixel_times
from physlearn.datasets.reading.set_scale import set_scale as set_scale
from physlearn.datasets.scan.combine_scans import ScanPair as ScanPair
from physlearn.datasets.scan.combine_scans import combine_scans as combine_scans
from physlearn.datasets.scan.correct_scan import ScanCorrection as ScanCorrection
from physlearn.datasets.scan.correct_scan import correct_scan as correct_scan
from physlearn.datasets.scan.measure_drift import DriftSeries as DriftSeries
from physlearn.datasets.scan.measure_drift import measure_drift as measure_drift
from physlearn.datasets.scan.measure_drift import undo_drift as undo_drift
from physlearn.datasets.scan.register_images import Registration as Registration
from physlearn.datasets.scan.register_images import register_images as register_images
from physlearn.datasets.sites.assign_sites import assign_sites as assign_sites
from physlearn.datasets.sites.composition import binomial_interval as binomial_interval
from physlearn.datasets.sites.composition import species_composition as species_composition
from physlearn.datasets.sites.lattice_constant import LatticeConstant as LatticeConstant
from physlearn.datasets.sites.lattice_constant import (
    measure_lattice_constant as measure_lattice_constant,
)
from physlearn.datasets.sites.random_placement import defect_clusters as defect_clusters
from physlearn.datasets.sites.random_placement import dopant_pairs as dopant_pairs
from physlearn.datasets.sites.random_placement import vacancy_lines as vacancy_lines
from physlearn.datasets.sites.site_states import SiteStates as SiteStates
from physlearn.datasets.sites.species import classify_species as classify_species
from physlearn.datasets.sites.vacancies import find_vacancies as find_vacancies
from physlearn.datasets.spectra.edges import measure_edges as measure_edges
from physlearn.datasets.spectra.loops import describe_loops as describe_loops
from physlearn.datasets.spectra.oscillator import fit_harmonic_oscillator as fit_harmonic_oscillator
from physlearn.datasets.spectra.scores import score_spectra as score_spectra
from physlearn.datasets.spectra.spectra_blocks import SpectraOptions as SpectraOptions
from physlearn.datasets.spectra.spoilt import find_spoilt_spectra as find_spoilt_spectra
from physlearn.datasets.spectra.spoilt import robust_spectrum as robust_spectrum
from physlearn.datasets.structure.bond_order import BondOrder as BondOrder
from physlearn.datasets.structure.bond_order import measure_bond_order as measure_bond_order
from physlearn.datasets.structure.column_shapes import column_shapes as column_shapes
from physlearn.datasets.structure.column_shapes import (
    summarize_column_shapes as summarize_column_shapes,
)
from physlearn.datasets.structure.find_rings import Rings as Rings
from physlearn.datasets.structure.find_rings import find_rings as find_rings
from physlearn.datasets.structure.geometric_phase import (
    geometric_phase_strain as geometric_phase_strain,
)
from physlearn.datasets.structure.local_symmetry import LocalSymmetry as LocalSymmetry
from physlearn.datasets.structure.local_symmetry import score_local_symmetry as score_local_symmetry
from physlearn.datasets.structure.polarization import PolarizationField as PolarizationField
from physlearn.datasets.structure.polarization import measure_polarization as measure_polarization
from physlearn.datasets.structure.ring_defects import count_ring_defects as count_ring_defects
from physlearn.datasets.structure.ring_defects import find_ring_defects as find_ring_defects
from physlearn.datasets.structure.strain import StrainField as StrainField
from physlearn.datasets.structure.strain import measure_strain as measure_strain
from physlearn.datasets.surfaces.level_scan import LeveledScan as LeveledScan
from physlearn.datasets.surfaces.level_scan import level_scan as level_scan
from physlearn.datasets.surfaces.surface_atoms import SurfaceAtoms as SurfaceAtoms
from physlearn.datasets.surfaces.surface_atoms import compare_biases as compare_biases
from physlearn.datasets.surfaces.surface_atoms import find_surface_atoms as find_surface_atoms
from physlearn.datasets.surfaces.tip_changes import TipChanges as TipChanges
from physlearn.datasets.surfaces.tip_changes import find_tip_changes as find_tip_changes
from physlearn.datasets.synthetic.atom_scenes import BenchmarkScene as BenchmarkScene
from physlearn.datasets.synthetic.atom_scenes import list_benchmark_scenes as list_benchmark_scenes
from physlearn.datasets.synthetic.atom_scenes import make_benchmark_scene as make_benchmark_scene
from physlearn.datasets.synthetic.channel_scenes import ChannelScene as ChannelScene
from physlearn.datasets.synthetic.channel_scenes import ChannelSceneSettings as ChannelSceneSettings
from physlearn.datasets.synthetic.channel_scenes import make_channel_scene as make_channel_scene
from physlearn.datasets.synthetic.imaging import AtomScene as AtomScene
from physlearn.datasets.synthetic.imaging import ImagingSettings as ImagingSettings
from physlearn.datasets.synthetic.imaging import image_columns as image_columns
from physlearn.datasets.synthetic.patch_scenes import PatchScene as PatchScene
from physlearn.datasets.synthetic.patch_scenes import PatchSceneSettings as PatchSceneSettings
from physlearn.datasets.synthetic.patch_scenes import make_patch_scene as make_patch_scene
from physlearn.datasets.synthetic.score_positions import PositionScore as PositionScore
from physlearn.datasets.synthetic.score_positions import scene_bounds as scene_bounds
from physlearn.datasets.synthetic.score_positions import score_positions as score_positions
from physlearn.datasets.synthetic.synthetic_defects import DefectScene as DefectScene
from physlearn.datasets.synthetic.synthetic_defects import DefectSettings as DefectSettings
from physlearn.datasets.synthetic.synthetic_defects import make_defect_scene as make_defect_scene
from physlearn.datasets.synthetic.synthetic_scan import ScanScene as ScanScene
from physlearn.datasets.synthetic.synthetic_scan import make_scan_pair as make_scan_pair
from physlearn.datasets.synthetic.synthetic_scan import make_scan_series as make_scan_series
from physlearn.datasets.synthetic.synthetic_spectra import SpectraScene as SpectraScene
from physlearn.datasets.synthetic.synthetic_spectra import make_spectra as make_spectra
from physlearn.datasets.synthetic.synthetic_stem import StemSettings as StemSettings
from physlearn.datasets.synthetic.synthetic_stem import make_stem_image as make_stem_image
from physlearn.datasets.synthetic.synthetic_stm import StmSettings as StmSettings
from physlearn.datasets.synthetic.synthetic_stm import StmTruth as StmTruth
from physlearn.datasets.synthetic.synthetic_stm import SyntheticStm as SyntheticStm
from physlearn.datasets.synthetic.synthetic_stm import make_stm_image as make_stm_image
from physlearn.datasets.synthetic.synthetic_structure import PolarScene as PolarScene
from physlearn.datasets.synthetic.synthetic_structure import RingScene as RingScene
from physlearn.datasets.synthetic.synthetic_structure import StrainScene as StrainScene
from physlearn.datasets.synthetic.synthetic_structure import (
    make_polar_perovskite as make_polar_perovskite,
)
from physlearn.datasets.synthetic.synthetic_structure import (
    make_stone_wales_graphene as make_stone_wales_graphene,
)
from physlearn.datasets.synthetic.synthetic_structure import (
    make_strained_crystal as make_strained_crystal,
)
from physlearn.datasets.synthetic.synthetic_walls import WallVideoOptions as WallVideoOptions
from physlearn.datasets.synthetic.synthetic_walls import make_wall_video as make_wall_video
from physlearn.datasets.synthetic.wall_scene_records import WallScene as WallScene
from physlearn.datasets.synthetic.wall_scene_records import WallSceneOptions as WallSceneOptions
from physlearn.datasets.synthetic.wall_scenes import make_wall_scene as make_wall_scene
from physlearn.datasets.wall_motion.smooth_walls import smooth_walls as smooth_walls
from physlearn.datasets.wall_motion.space_time_prior import WallPrior as WallPrior
from physlearn.datasets.wall_motion.wall_advance import measure_wall_advance as measure_wall_advance
from physlearn.datasets.wall_motion.wall_roughness import WallRoughness as WallRoughness
from physlearn.datasets.wall_motion.wall_roughness import measure_roughness as measure_roughness
from physlearn.datasets.walls.feature_distance import (
    measure_feature_distance as measure_feature_distance,
)
from physlearn.datasets.walls.find_walls import find_walls as find_walls
from physlearn.datasets.walls.normalize_frames import domain_fraction as domain_fraction
from physlearn.datasets.walls.normalize_frames import normalize_frames as normalize_frames
from physlearn.datasets.walls.score_events import EventScore as EventScore
from physlearn.datasets.walls.score_events import score_events as score_events
from physlearn.datasets.walls.track_options import TrackWallsOptions as TrackWallsOptions
from physlearn.datasets.walls.track_walls import track_walls as track_walls
from physlearn.datasets.walls.wall_kinds import classify_walls as classify_walls
from physlearn.datasets.walls.wall_movie import draw_walls as draw_walls
from physlearn.datasets.walls.wall_movie import save_wall_movie as save_wall_movie
from physlearn.datasets.walls.wall_velocities import measure_velocities as measure_velocities
from physlearn.datasets.walls.walls_in_stack import track_walls_in_stack as track_walls_in_stack

__all__ = [
    "AlignedPatches",
    "AtomFrames",
    "AtomScene",
    "AveragedScans",
    "Axis",
    "BenchmarkScene",
    "BlockFolds",
    "BondOrder",
    "Channel",
    "ChannelNoise",
    "ChannelScene",
    "ChannelSceneSettings",
    "ColumnBounds",
    "Components",
    "ConsistencyCheck",
    "DefectScene",
    "DefectSettings",
    "DerivedChannel",
    "Descriptor",
    "DescriptorTerm",
    "DetectorNoise",
    "DriftSeries",
    "EventScore",
    "FindAtomsOptions",
    "FusedModalities",
    "HopEvents",
    "HoppingFilm",
    "HoppingSettings",
    "ImagingSettings",
    "LatticeConstant",
    "LeveledScan",
    "LinkedAtoms",
    "LocalSymmetry",
    "MatchedChannels",
    "OperatingEnvelope",
    "PatchClasses",
    "PatchClusters",
    "PatchOptions",
    "PatchScene",
    "PatchSceneSettings",
    "PolarFourier",
    "PolarOptions",
    "PolarScene",
    "PolarizationField",
    "PositionScore",
    "Prediction",
    "RegisteredChannels",
    "Registration",
    "RepeatPair",
    "RingScene",
    "Rings",
    "ScanCorrection",
    "ScanPair",
    "ScanScene",
    "SiteStates",
    "SpectraOptions",
    "SpectraScene",
    "Stack",
    "StackAtomsOptions",
    "StemSettings",
    "StmSettings",
    "StmTruth",
    "StrainField",
    "StrainScene",
    "SurfaceAtoms",
    "SyntheticStm",
    "TipChanges",
    "TrackWallsOptions",
    "WallPrior",
    "WallRoughness",
    "WallScene",
    "WallSceneOptions",
    "WallVideoOptions",
    "align_patches",
    "align_repeat",
    "apply_edits",
    "as_image",
    "assign_sites",
    "atoms_from_mask",
    "average_scans",
    "binomial_interval",
    "block_folds",
    "check_consistency",
    "check_layout",
    "classify_patches",
    "classify_species",
    "classify_walls",
    "cluster_patches",
    "column_bounds",
    "column_shapes",
    "combine_scans",
    "compare_biases",
    "complex_response",
    "configuration_from_ase",
    "controlled_channel_name",
    "correct_scan",
    "count_ring_defects",
    "count_transitions",
    "crystallinity_map",
    "declare_noise",
    "defect_clusters",
    "describe_loops",
    "describe_patches",
    "describe_patches_in_stack",
    "descriptor_terms",
    "detection_probability",
    "domain_fraction",
    "dopant_pairs",
    "draw_walls",
    "find_atoms",
    "find_atoms_in_stack",
    "find_atoms_in_tiles",
    "find_components",
    "find_derived_channels",
    "find_hops",
    "find_ring_defects",
    "find_rings",
    "find_spoilt_spectra",
    "find_surface_atoms",
    "find_tip_changes",
    "find_vacancies",
    "find_walls",
    "fit_harmonic_oscillator",
    "fuse_modalities",
    "geometric_phase_strain",
    "grid_scan_points",
    "image_columns",
    "is_angle",
    "layout_schema",
    "level_scan",
    "link_atoms",
    "list_benchmark_scenes",
    "list_channels",
    "load_atom_frames",
    "load_channels",
    "make_benchmark_scene",
    "make_channel_scene",
    "make_defect_scene",
    "make_hopping_film",
    "make_patch_scene",
    "make_polar_perovskite",
    "make_scan_pair",
    "make_scan_series",
    "make_spectra",
    "make_stem_image",
    "make_stm_image",
    "make_stone_wales_graphene",
    "make_strained_crystal",
    "make_wall_scene",
    "make_wall_video",
    "match_resolution",
    "measure_bond_order",
    "measure_channel_noise",
    "measure_detector",
    "measure_drift",
    "measure_edges",
    "measure_feature_distance",
    "measure_lattice_constant",
    "measure_polarization",
    "measure_roughness",
    "measure_strain",
    "measure_velocities",
    "measure_wall_advance",
    "normalize_frames",
    "open_stack",
    "operating_envelope",
    "patch_to_cell",
    "pixel_times",
    "polar_fourier",
    "predict_patches",
    "predict_spectra",
    "read_channels",
    "read_coordinates",
    "read_forces",
    "read_image",
    "read_scan_points",
    "read_structures",
    "read_tile_covariance",
    "read_trajectory",
    "read_video",
    "register_channels",
    "register_images",
    "register_reader",
    "required_metadata",
    "robust_spectrum",
    "save_channels",
    "save_table",
    "save_wall_movie",
    "scene_bounds",
    "score_events",
    "score_local_symmetry",
    "score_positions",
    "score_spectra",
    "set_scale",
    "sliding_fft",
    "smooth_walls",
    "species_composition",
    "summarize_column_shapes",
    "track_walls",
    "track_walls_in_stack",
    "undo_drift",
    "vacancy_lines",
]
