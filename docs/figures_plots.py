"""Figure of docs/plots.md: what ``physlearn.plots`` draws, one panel a function."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from physlearn.datasets import (
    DefectSettings,
    WallVideoOptions,
    classify_species,
    find_atoms,
    find_rings,
    find_vacancies,
    make_defect_scene,
    make_stone_wales_graphene,
    make_strained_crystal,
    make_wall_video,
    measure_strain,
    track_walls,
)
from physlearn.inference import (
    fit_lattice_hamiltonian,
    fit_wall_dynamics,
    predict_thermodynamics,
)
from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
from physlearn.plots import (
    plot_atoms,
    plot_correlations,
    plot_couplings,
    plot_rings,
    plot_species,
    plot_strain,
    plot_thermodynamics,
    plot_vacancies,
    plot_wall_parameters,
    plot_walls,
)


def plots_figure() -> Figure:
    """Draw ten of the plots, each under the name of its function."""
    figure = Figure(figsize=(18.0, 8.6), layout="constrained")
    axes = iter(figure.subplots(2, 5).ravel())
    drawn = []

    made = make_defect_scene((128, 128), DefectSettings(vacancy_share=(0.05,)), rng=3)
    atoms = classify_species(find_atoms(made.scene.image))
    drawn.append(plot_atoms(made.scene.image, atoms, ax=next(axes)))
    sites = find_vacancies(atoms, made.scene.image)
    drawn.append(plot_vacancies(made.scene.image, sites, ax=next(axes)))
    strained = find_atoms(make_strained_crystal(rng=2).scene.image)
    drawn.append(plot_strain(measure_strain(strained), ax=next(axes)))
    graphene = make_stone_wales_graphene(4, peak_counts=60.0, rng=4)
    drawn.append(plot_rings(find_rings(find_atoms(graphene.scene.image)), ax=next(axes)))
    scene = make_wall_video(n_frames=12, options=WallVideoOptions(noise_sd=0.2), rng=1)
    track = track_walls(scene.video)
    drawn.append(plot_walls(scene.video, track, 6, ax=next(axes)))

    picture = simulate_lattice(Ising([0.36]), square_lattice((32, 32), 2), burn_in=800, rng=1)
    fit = fit_lattice_hamiltonian(picture, n_shells=2, rng=1)
    drawn.append(plot_species(picture, ax=next(axes)))
    truth = {"couplings[1]": 0.36, "couplings[2]": 0.0}
    drawn.append(plot_couplings(fit, truth=truth, ax=next(axes)))
    correlations = pd.DataFrame(fit.diagnostics["correlations"])
    drawn.append(plot_correlations(correlations, ax=next(axes)))
    cold = predict_thermodynamics(fit, np.linspace(0.6, 1.2, 7), shape=(16, 16), rng=1)
    drawn.append(plot_thermodynamics(cold, ax=next(axes)))
    law = fit_wall_dynamics(track, rng=1)
    drawn.append(plot_wall_parameters(law, truth=scene.truth, ax=next(axes)))

    names = (
        "plot_atoms", "plot_vacancies", "plot_strain", "plot_rings", "plot_walls", "plot_species",
        "plot_couplings", "plot_correlations", "plot_thermodynamics", "plot_wall_parameters",
    )  # fmt: skip
    for ax, name in zip(drawn, names, strict=True):
        legend = ax.get_legend()
        if legend is not None:
            legend.remove()
        ax.set_title(name, pad=16)
    return figure
