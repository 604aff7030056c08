"""From descriptors and posteriors to causes and the next experiment."""

from physlearn.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Action": ".actions",
        "ActionLibrary": ".actions",
        "CausalGraph": ".graphs",
        "Counterfactual": ".counterfactuals",
        "Effect": ".effects",
        "ExperimentPlan": ".plan",
        "GraphEdge": ".graphs",
        "Hypothesis": ".hypotheses",
        "IndependenceResult": ".spatial_test",
        "PlanStep": ".plan",
        "SafetyEnvelope": ".actions",
        "actions_from_event_rates": ".beam_actions",
        "counterfactual": ".counterfactuals",
        "discover_graph": ".discovery",
        "estimate_effect": ".effects",
        "exposures": ".study_hypotheses",
        "hypotheses_from_couplings": ".law_hypotheses",
        "hypotheses_from_functions": ".hypotheses",
        "hypotheses_from_graph": ".study_hypotheses",
        "hypotheses_from_undecided": ".study_hypotheses",
        "hypotheses_from_wall_fit": ".law_hypotheses",
        "plan_interventions": ".planning",
        "plan_schema": ".plan",
        "spatial_independence": ".spatial_test",
    },
)
