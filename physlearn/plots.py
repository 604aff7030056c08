"""Pictures of every record and result: each function draws in ``ax`` and returns the Axes."""

from physlearn.report.draw_atoms import plot_atoms, plot_image, plot_patches, plot_species
from physlearn.report.draw_campaign import plot_campaign, plot_campaign_evidence
from physlearn.report.draw_causal import plot_effects, plot_graph
from physlearn.report.draw_defects import plot_vacancies
from physlearn.report.draw_effects import plot_dose_response, plot_sensitivity
from physlearn.report.draw_envelope import plot_envelope
from physlearn.report.draw_lattice import plot_correlations, plot_couplings, plot_posterior
from physlearn.report.draw_laws import plot_equations
from physlearn.report.draw_motion import (
    plot_diffusion,
    plot_pair_force,
    plot_pair_potential,
    plot_trajectory,
)
from physlearn.report.draw_rings import plot_rings
from physlearn.report.draw_spectra import plot_spectra
from physlearn.report.draw_strain import plot_row_shifts, plot_strain
from physlearn.report.draw_thermodynamics import plot_phase_diagram, plot_thermodynamics
from physlearn.report.draw_walls import (
    plot_domain_share,
    plot_laws,
    plot_wall_parameters,
    plot_walls,
)

__all__ = [
    "plot_atoms",
    "plot_campaign",
    "plot_campaign_evidence",
    "plot_correlations",
    "plot_couplings",
    "plot_diffusion",
    "plot_domain_share",
    "plot_dose_response",
    "plot_effects",
    "plot_envelope",
    "plot_equations",
    "plot_graph",
    "plot_image",
    "plot_laws",
    "plot_pair_force",
    "plot_pair_potential",
    "plot_patches",
    "plot_phase_diagram",
    "plot_posterior",
    "plot_rings",
    "plot_row_shifts",
    "plot_sensitivity",
    "plot_species",
    "plot_spectra",
    "plot_strain",
    "plot_thermodynamics",
    "plot_trajectory",
    "plot_vacancies",
    "plot_wall_parameters",
    "plot_walls",
]
