"""Pictures of every record and result: each function draws in ``ax`` and returns the Axes."""

from physlearn.report.draw_atoms import plot_atoms, plot_image, plot_patches, plot_species
from physlearn.report.draw_campaign import plot_campaign, plot_campaign_evidence
from physlearn.report.draw_causal import plot_effects, plot_graph
from physlearn.report.draw_curves import (
    plot_chain,
    plot_drift,
    plot_history,
    plot_ordering,
    plot_radial,
    plot_roughness,
    plot_tempering,
)
from physlearn.report.draw_decisions import (
    plot_components,
    plot_counterfactuals,
    plot_ledger,
    plot_local_effect,
    plot_plan,
    plot_verdict,
)
from physlearn.report.draw_defects import plot_vacancies
from physlearn.report.draw_effects import plot_dose_response, plot_sensitivity
from physlearn.report.draw_envelope import plot_envelope
from physlearn.report.draw_fits import plot_adequacy, plot_batch, plot_fit, plot_model_comparison
from physlearn.report.draw_journal import journal_style, save_figure
from physlearn.report.draw_lattice import plot_correlations, plot_couplings, plot_posterior
from physlearn.report.draw_laws import plot_equations
from physlearn.report.draw_motion import (
    plot_diffusion,
    plot_pair_force,
    plot_pair_potential,
    plot_trajectory,
)
from physlearn.report.draw_rings import plot_rings
from physlearn.report.draw_site_maps import (
    plot_bond_order,
    plot_classes,
    plot_heights,
    plot_hops,
    plot_polarization,
    plot_symmetry,
)
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
    "journal_style",
    "plot_adequacy",
    "plot_atoms",
    "plot_batch",
    "plot_bond_order",
    "plot_campaign",
    "plot_campaign_evidence",
    "plot_chain",
    "plot_classes",
    "plot_components",
    "plot_correlations",
    "plot_counterfactuals",
    "plot_couplings",
    "plot_diffusion",
    "plot_domain_share",
    "plot_dose_response",
    "plot_drift",
    "plot_effects",
    "plot_envelope",
    "plot_equations",
    "plot_fit",
    "plot_graph",
    "plot_heights",
    "plot_history",
    "plot_hops",
    "plot_image",
    "plot_laws",
    "plot_ledger",
    "plot_local_effect",
    "plot_model_comparison",
    "plot_ordering",
    "plot_pair_force",
    "plot_pair_potential",
    "plot_patches",
    "plot_phase_diagram",
    "plot_plan",
    "plot_polarization",
    "plot_posterior",
    "plot_radial",
    "plot_rings",
    "plot_roughness",
    "plot_row_shifts",
    "plot_sensitivity",
    "plot_species",
    "plot_spectra",
    "plot_strain",
    "plot_symmetry",
    "plot_tempering",
    "plot_thermodynamics",
    "plot_trajectory",
    "plot_vacancies",
    "plot_verdict",
    "plot_wall_parameters",
    "plot_walls",
    "save_figure",
]
