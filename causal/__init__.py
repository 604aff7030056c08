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
        "Hypothesis": ".planning",
        "SafetyEnvelope": ".actions",
        "counterfactual": ".counterfactuals",
        "discover_graph": ".discovery",
        "estimate_effect": ".effects",
        "plan_interventions": ".planning",
    },
)
