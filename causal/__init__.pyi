"""Names of the package for editors and type checkers; written by tools/stubs."""

from physlearn.causal.actions import Action as Action
from physlearn.causal.actions import ActionLibrary as ActionLibrary
from physlearn.causal.baselines import CanonicalCorrelation as CanonicalCorrelation
from physlearn.causal.baselines import UnmixedLinks as UnmixedLinks
from physlearn.causal.baselines import canonical_correlation as canonical_correlation
from physlearn.causal.baselines import unmix_and_correlate as unmix_and_correlate
from physlearn.causal.beam_actions import actions_from_event_rates as actions_from_event_rates
from physlearn.causal.counterfactual_models.answer_records import Counterfactuals as Counterfactuals
from physlearn.causal.counterfactual_models.comparison import (
    CounterfactualComparison as CounterfactualComparison,
)
from physlearn.causal.counterfactual_models.comparison import (
    compare_counterfactuals as compare_counterfactuals,
)
from physlearn.causal.counterfactual_models.draw_counterfactuals import (
    draw_counterfactuals as draw_counterfactuals,
)
from physlearn.causal.counterfactual_models.field_patches import FieldRun as FieldRun
from physlearn.causal.counterfactual_models.field_patches import field_model as field_model
from physlearn.causal.counterfactual_models.lattice_patches import LatticePatches as LatticePatches
from physlearn.causal.counterfactual_models.lattice_patches import lattice_model as lattice_model
from physlearn.causal.counterfactual_models.physical_models import PhysicalModel as PhysicalModel
from physlearn.causal.counterfactual_models.physical_models import (
    model_of_function as model_of_function,
)
from physlearn.causal.counterfactual_models.physical_models import (
    physical_counterfactual as physical_counterfactual,
)
from physlearn.causal.counterfactual_models.physical_models import wall_model as wall_model
from physlearn.causal.counterfactual_models.structural_answers import (
    counterfactuals as counterfactuals,
)
from physlearn.causal.counterfactual_models.structural_model import (
    StructuralModel as StructuralModel,
)
from physlearn.causal.counterfactual_models.structural_model import (
    fit_structural_model as fit_structural_model,
)
from physlearn.causal.discovery import discover_graph as discover_graph
from physlearn.causal.effect_estimates.dose_response import DoseResponse as DoseResponse
from physlearn.causal.effect_estimates.dose_response import dose_response as dose_response
from physlearn.causal.effect_estimates.effect_records import EffectOptions as EffectOptions
from physlearn.causal.effect_estimates.sensitivity import Sensitivity as Sensitivity
from physlearn.causal.effect_estimates.sensitivity import sensitivity as sensitivity
from physlearn.causal.effects import Effect as Effect
from physlearn.causal.effects import estimate_effect as estimate_effect
from physlearn.causal.environments.compare_environments import (
    EnvironmentComparison as EnvironmentComparison,
)
from physlearn.causal.environments.compare_environments import (
    EnvironmentOptions as EnvironmentOptions,
)
from physlearn.causal.environments.compare_environments import InvariantCauses as InvariantCauses
from physlearn.causal.environments.compare_environments import (
    compare_environments as compare_environments,
)
from physlearn.causal.environments.imaging_sensitivity import (
    ImagingSensitivity as ImagingSensitivity,
)
from physlearn.causal.environments.imaging_sensitivity import (
    imaging_sensitivity as imaging_sensitivity,
)
from physlearn.causal.environments.local_intervention import LocalEffect as LocalEffect
from physlearn.causal.environments.local_intervention import (
    local_intervention_effect as local_intervention_effect,
)
from physlearn.causal.experiment_plans.compact_strings import plan_from_string as plan_from_string
from physlearn.causal.experiment_plans.compact_strings import plan_to_string as plan_to_string
from physlearn.causal.experiment_plans.dose_ledger import LedgerReport as LedgerReport
from physlearn.causal.experiment_plans.dose_ledger import check_ledger as check_ledger
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan as ExperimentPlan
from physlearn.causal.experiment_plans.plan_flow import next_step as next_step
from physlearn.causal.experiment_plans.plan_records import Abort as Abort
from physlearn.causal.experiment_plans.plan_records import Branch as Branch
from physlearn.causal.experiment_plans.plan_records import Declared as Declared
from physlearn.causal.experiment_plans.plan_records import Expectation as Expectation
from physlearn.causal.experiment_plans.plan_records import PlanHypothesis as PlanHypothesis
from physlearn.causal.experiment_plans.plan_records import PlanStep as PlanStep
from physlearn.causal.experiment_plans.plan_records import Precondition as Precondition
from physlearn.causal.experiment_plans.plan_records import StartState as StartState
from physlearn.causal.experiment_plans.plan_schema import plan_schema as plan_schema
from physlearn.causal.experiment_plans.string_grid import PlanVocabulary as PlanVocabulary
from physlearn.causal.graph_search.knowledge import Knowledge as Knowledge
from physlearn.causal.graph_search.lagged_search import (
    discover_lagged_graph as discover_lagged_graph,
)
from physlearn.causal.graph_search.pairwise_direction import PairDirection as PairDirection
from physlearn.causal.graph_search.pairwise_direction import (
    pairwise_direction as pairwise_direction,
)
from physlearn.causal.graphs import CausalGraph as CausalGraph
from physlearn.causal.graphs import GraphEdge as GraphEdge
from physlearn.causal.hypotheses import Hypothesis as Hypothesis
from physlearn.causal.hypotheses import hypotheses_from_functions as hypotheses_from_functions
from physlearn.causal.hypothesis_families.drawn_hypotheses import Asked as Asked
from physlearn.causal.hypothesis_families.drawn_hypotheses import (
    hypothesis_from_draws as hypothesis_from_draws,
)
from physlearn.causal.hypothesis_families.drawn_hypotheses import (
    hypothesis_from_fit as hypothesis_from_fit,
)
from physlearn.causal.hypothesis_families.drawn_hypotheses import (
    hypothesis_from_simulator as hypothesis_from_simulator,
)
from physlearn.causal.hypothesis_families.graph_hypotheses import (
    hypotheses_from_members as hypotheses_from_members,
)
from physlearn.causal.hypothesis_families.lattice_hypotheses import (
    hypotheses_from_hamiltonians as hypotheses_from_hamiltonians,
)
from physlearn.causal.hypothesis_families.mean_functions import (
    hypotheses_from_mean_functions as hypotheses_from_mean_functions,
)
from physlearn.causal.hypothesis_families.operating_table import (
    OperatingOptions as OperatingOptions,
)
from physlearn.causal.hypothesis_families.operating_table import operating_table as operating_table
from physlearn.causal.hypothesis_families.pair_hypotheses import (
    hypotheses_from_pair_fits as hypotheses_from_pair_fits,
)
from physlearn.causal.hypothesis_families.structured_process import MeanFunction as MeanFunction
from physlearn.causal.hypothesis_families.structured_process import ProcessOptions as ProcessOptions
from physlearn.causal.hypothesis_families.symbolic_hypotheses import (
    hypotheses_from_laws as hypotheses_from_laws,
)
from physlearn.causal.hypothesis_families.wall_hypotheses import (
    hypotheses_from_landau_fits as hypotheses_from_landau_fits,
)
from physlearn.causal.hypothesis_families.wall_hypotheses import (
    hypotheses_from_wall_laws as hypotheses_from_wall_laws,
)
from physlearn.causal.independence.channel_resolution import common_resolution as common_resolution
from physlearn.causal.independence.channel_test import (
    ChannelIndependenceTest as ChannelIndependenceTest,
)
from physlearn.causal.independence.channel_test import ChannelOptions as ChannelOptions
from physlearn.causal.independence.choose_test import choose_test as choose_test
from physlearn.causal.independence.missing_values import complete_table as complete_table
from physlearn.causal.independence.missing_values import imputed_tables as imputed_tables
from physlearn.causal.independence.missing_values import pooled_independence as pooled_independence
from physlearn.causal.independence.mixed_test import MixedOptions as MixedOptions
from physlearn.causal.independence.repeat_scans import noise_from_repeats as noise_from_repeats
from physlearn.causal.instruments.act_record import settle_act as settle_act
from physlearn.causal.instruments.instrument_adapter import InstrumentAdapter as InstrumentAdapter
from physlearn.causal.instruments.message_ledger import MessageLedger as MessageLedger
from physlearn.causal.instruments.plan_devices import PlanDevices as PlanDevices
from physlearn.causal.instruments.queue_items import queue_plan as queue_plan
from physlearn.causal.instruments.queue_items import to_queue_items as to_queue_items
from physlearn.causal.instruments.replay_server import ReplayServer as ReplayServer
from physlearn.causal.instruments.replay_server import replayed_instrument as replayed_instrument
from physlearn.causal.instruments.run_engine_plan import to_bluesky as to_bluesky
from physlearn.causal.instruments.simulated_devices import simulated_devices as simulated_devices
from physlearn.causal.law_hypotheses import hypotheses_from_couplings as hypotheses_from_couplings
from physlearn.causal.law_hypotheses import hypotheses_from_wall_fit as hypotheses_from_wall_fit
from physlearn.causal.outcomes.outcome import Outcome as Outcome
from physlearn.causal.outcomes.outcome_model import OutcomeModel as OutcomeModel
from physlearn.causal.patch_counterfactual import Counterfactual as Counterfactual
from physlearn.causal.patch_counterfactual import counterfactual as counterfactual
from physlearn.causal.planners.campaign_setup import PlannerOptions as PlannerOptions
from physlearn.causal.planners.planner import Planner as Planner
from physlearn.causal.planners.question import Question as Question
from physlearn.causal.planning import plan_interventions as plan_interventions
from physlearn.causal.policies.situation import EffectTarget as EffectTarget
from physlearn.causal.policies.situation import Policy as Policy
from physlearn.causal.policies.situation import Situation as Situation
from physlearn.causal.refutations import Refutation as Refutation
from physlearn.causal.refutations import refute as refute
from physlearn.causal.safety_envelope import SafetyEnvelope as SafetyEnvelope
from physlearn.causal.severity.design_table import DesignTable as DesignTable
from physlearn.causal.severity.design_table import design_table as design_table
from physlearn.causal.severity.evidence import declare_test as declare_test
from physlearn.causal.severity.evidence import follow as follow
from physlearn.causal.severity.history import History as History
from physlearn.causal.severity.nested_effects import nested_effect as nested_effect
from physlearn.causal.severity.next_shots import next_shots as next_shots
from physlearn.causal.severity.options import SeverityOptions as SeverityOptions
from physlearn.causal.severity.order_checks import replicate_noise as replicate_noise
from physlearn.causal.severity.practical_equivalence import (
    practical_equivalence as practical_equivalence,
)
from physlearn.causal.severity.verdicts import assess as assess
from physlearn.causal.spatial_test import IndependenceResult as IndependenceResult
from physlearn.causal.spatial_test import spatial_independence as spatial_independence
from physlearn.causal.study_hypotheses import exposures as exposures
from physlearn.causal.study_hypotheses import hypotheses_from_graph as hypotheses_from_graph
from physlearn.causal.study_hypotheses import hypotheses_from_undecided as hypotheses_from_undecided
from physlearn.causal.twins.atom_sample import AtomSample as AtomSample
from physlearn.causal.twins.campaigns import Campaign as Campaign
from physlearn.causal.twins.campaigns import CampaignStep as CampaignStep
from physlearn.causal.twins.digital_twin import DigitalTwin as DigitalTwin
from physlearn.causal.twins.fresh_places import FreshPlaces as FreshPlaces
from physlearn.causal.twins.instrument import Instrument as Instrument
from physlearn.causal.twins.ising_sample import IsingSample as IsingSample
from physlearn.causal.twins.plan_run import PlanRun as PlanRun
from physlearn.causal.twins.response_sample import ResponseSample as ResponseSample
from physlearn.causal.twins.run_campaign import run_campaign as run_campaign
from physlearn.causal.twins.run_campaigns import CampaignBatch as CampaignBatch
from physlearn.causal.twins.run_campaigns import run_campaigns as run_campaigns
from physlearn.causal.twins.sample_hypotheses import (
    hypothesis_from_samples as hypothesis_from_samples,
)
from physlearn.causal.twins.structural_sample import StructuralSample as StructuralSample
from physlearn.causal.twins.table_sample import TableSample as TableSample
from physlearn.causal.twins.wall_sample import WallSample as WallSample

__all__ = [
    "Abort",
    "Action",
    "ActionLibrary",
    "Asked",
    "AtomSample",
    "Branch",
    "Campaign",
    "CampaignBatch",
    "CampaignStep",
    "CanonicalCorrelation",
    "CausalGraph",
    "ChannelIndependenceTest",
    "ChannelOptions",
    "Counterfactual",
    "CounterfactualComparison",
    "Counterfactuals",
    "Declared",
    "DesignTable",
    "DigitalTwin",
    "DoseResponse",
    "Effect",
    "EffectOptions",
    "EffectTarget",
    "EnvironmentComparison",
    "EnvironmentOptions",
    "Expectation",
    "ExperimentPlan",
    "FieldRun",
    "FreshPlaces",
    "GraphEdge",
    "History",
    "Hypothesis",
    "ImagingSensitivity",
    "IndependenceResult",
    "Instrument",
    "InstrumentAdapter",
    "InvariantCauses",
    "IsingSample",
    "Knowledge",
    "LatticePatches",
    "LedgerReport",
    "LocalEffect",
    "MeanFunction",
    "MessageLedger",
    "MixedOptions",
    "OperatingOptions",
    "Outcome",
    "OutcomeModel",
    "PairDirection",
    "PhysicalModel",
    "PlanDevices",
    "PlanHypothesis",
    "PlanRun",
    "PlanStep",
    "PlanVocabulary",
    "Planner",
    "PlannerOptions",
    "Policy",
    "Precondition",
    "ProcessOptions",
    "Question",
    "Refutation",
    "ReplayServer",
    "ResponseSample",
    "SafetyEnvelope",
    "Sensitivity",
    "SeverityOptions",
    "Situation",
    "StartState",
    "StructuralModel",
    "StructuralSample",
    "TableSample",
    "UnmixedLinks",
    "WallSample",
    "actions_from_event_rates",
    "assess",
    "canonical_correlation",
    "check_ledger",
    "choose_test",
    "common_resolution",
    "compare_counterfactuals",
    "compare_environments",
    "complete_table",
    "counterfactual",
    "counterfactuals",
    "declare_test",
    "design_table",
    "discover_graph",
    "discover_lagged_graph",
    "dose_response",
    "draw_counterfactuals",
    "estimate_effect",
    "exposures",
    "field_model",
    "fit_structural_model",
    "follow",
    "hypotheses_from_couplings",
    "hypotheses_from_functions",
    "hypotheses_from_graph",
    "hypotheses_from_hamiltonians",
    "hypotheses_from_landau_fits",
    "hypotheses_from_laws",
    "hypotheses_from_mean_functions",
    "hypotheses_from_members",
    "hypotheses_from_pair_fits",
    "hypotheses_from_undecided",
    "hypotheses_from_wall_fit",
    "hypotheses_from_wall_laws",
    "hypothesis_from_draws",
    "hypothesis_from_fit",
    "hypothesis_from_samples",
    "hypothesis_from_simulator",
    "imaging_sensitivity",
    "imputed_tables",
    "lattice_model",
    "local_intervention_effect",
    "model_of_function",
    "nested_effect",
    "next_shots",
    "next_step",
    "noise_from_repeats",
    "operating_table",
    "pairwise_direction",
    "physical_counterfactual",
    "plan_from_string",
    "plan_interventions",
    "plan_schema",
    "plan_to_string",
    "pooled_independence",
    "practical_equivalence",
    "queue_plan",
    "refute",
    "replayed_instrument",
    "replicate_noise",
    "run_campaign",
    "run_campaigns",
    "sensitivity",
    "settle_act",
    "simulated_devices",
    "spatial_independence",
    "to_bluesky",
    "to_queue_items",
    "unmix_and_correlate",
    "wall_model",
]
