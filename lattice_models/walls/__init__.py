"""Domain walls as lines: driven through a rough medium, and fronts around a domain."""

from physlearn.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "LineOptions": ".driven_line",
        "PinningLandscape": ".pinning",
        "line_energy": ".driven_line",
        "propagate_polar_front": ".wall_front",
        "random_landscape": ".pinning",
        "simulate_wall": ".driven_line",
    },
)
