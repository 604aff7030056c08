"""Kinetic Monte Carlo in real time: hops along bonds and changes driven by heat and beam."""

from physlearn.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "BeamSchedule": ".event_rates",
        "HopHistory": ".event_records",
        "HopRates": ".event_rates",
        "Transformation": ".event_rates",
        "TransformationHistory": ".event_records",
        "arrhenius_rate_hz": ".event_rates",
        "simulate_hop_history": ".hopping",
        "simulate_hops": ".hopping",
        "simulate_transformation_history": ".transformations",
        "simulate_transformations": ".transformations",
    },
)
