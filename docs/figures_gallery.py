"""A gallery of snapshots, one of each kind of model."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from physlearn.lattice_models import (
    BlumeCapel,
    Ising,
    Potts,
    critical_coupling,
    simulate_lattice,
    spin_glass,
    square_lattice,
    temper_lattice,
)
from physlearn.lattice_models.fields import (
    DepolarizationEnergy,
    LandauPotential,
    VectorLandauPotential,
    simulate_ginzburg_landau,
)
from physlearn.lattice_models.particles import (
    LennardJones,
    MetropolisSettings,
    neighbour_pairs,
    sample_positions,
)
from physlearn.lattice_models.walls.driven_line import LineOptions, simulate_wall
from physlearn.lattice_models.walls.pinning import random_landscape
from physlearn.records import AtomicConfiguration
from physlearn.report.drawing import BLUE, COLORS, GREY, INK, RED

PALE = "#eef1f3"


def show(ax: Axes, picture: Any, colours: Any, **limits: float) -> None:
    """Draw a square picture without axes."""
    cmap = ListedColormap(colours) if isinstance(colours, list) else colours
    ax.imshow(picture, cmap=cmap, interpolation="nearest", origin="lower", **limits)


def ising_panel(ax: Axes) -> str:
    """Draw the critical Ising model."""
    lattice = square_lattice((512, 512))
    pictures = simulate_lattice(
        Ising([critical_coupling()]), lattice, method="swendsen_wang", burn_in=300, rng=2
    )
    show(ax, pictures.states[0].reshape(512, 512), [PALE, BLUE])
    return "Ising\ncritical, 512 x 512; Swendsen-Wang"


def potts_panel(ax: Axes) -> str:
    """Draw the critical Potts model."""
    n_states, edge = 4, 256
    coupling = float(np.log(1 + np.sqrt(n_states)))
    pictures = simulate_lattice(
        Potts(n_states, [coupling]), square_lattice((edge, edge)), method="swendsen_wang",
        burn_in=400, rng=4,
    )  # fmt: skip
    show(ax, pictures.states[0].reshape(edge, edge), [BLUE, COLORS[3], PALE, INK])
    return f"Potts, {n_states} states\ncritical, {edge} x {edge}; Swendsen-Wang"


def blume_capel_panel(ax: Axes) -> str:
    """Draw three-state spins where vacancies and both spins coexist."""
    # close to the tricritical point kT/J = .608, D/J = 1.966
    edge, temperature, crystal_field = 256, 0.62, 1.962
    model = BlumeCapel([1 / temperature], crystal_field / temperature)
    pictures = simulate_lattice(
        model, square_lattice((edge, edge)), method="heat_bath", burn_in=3000,
        start=np.zeros(edge * edge, np.int8), rng=5,
    )  # fmt: skip
    show(ax, pictures.states[0].reshape(edge, edge), [BLUE, PALE, RED])
    return f"Blume-Capel\nnear tricritical, {edge} x {edge}; heat bath"


def spin_glass_panel(ax: Axes) -> str:
    """Draw where two replicas of one glass agree."""
    edge = 64
    lattice = square_lattice((edge, edge))
    model = spin_glass(lattice, 1.0, rng=6)
    first, second = (
        temper_lattice(
            model, lattice, np.geomspace(0.4, 2.0, 20), n_samples=20, sweeps_between=50,
            burn_in=4000, rng=seed,
        ).snapshots[-1].states[-1]
        for seed in (7, 8)
    )  # fmt: skip
    show(ax, (first * second).reshape(edge, edge), [RED, PALE])
    return "Spin glass, two replicas\nkT = .5 J; pale: they agree; tempering"


def hexagonal_order(places: Any, pairs: Any, box: float) -> Any:
    """Return |mean of exp(6 i angle)| over the neighbours of each particle."""
    first, second = pairs.T
    apart = places[second] - places[first]
    apart -= box * np.round(apart / box)
    waves = np.exp(6j * np.arctan2(apart[:, 1], apart[:, 0]))
    sums = np.zeros(len(places), complex)
    np.add.at(sums, first, waves)
    np.add.at(sums, second, waves)
    return np.abs(sums) / np.maximum(np.bincount(pairs.ravel(), minlength=len(places)), 1)


def lennard_jones_panel(ax: Axes) -> str:
    """Draw a crystal that melts."""
    edge, density, temperature = 36, 0.80, 0.55
    spacing = 1 / np.sqrt(density)
    rows, columns = np.indices((edge, edge))
    start = np.stack([columns + 0.5, rows + 0.5], axis=-1).reshape(-1, 2) * spacing
    box = edge * spacing
    sample = sample_positions(
        LennardJones(),
        AtomicConfiguration(start, unit="reduced", cell=np.diag([box, box])),
        1, 1, temperature=temperature, settings=MetropolisSettings(6000), rng=9,
    )[0]  # fmt: skip
    pairs, _ = neighbour_pairs(sample, 1.5)
    order = hexagonal_order(sample.positions, pairs, box)
    ones = np.ones(sample.n)
    circles = EllipseCollection(
        ones, ones, 0 * ones, units="xy", offsets=sample.positions, array=order, cmap="cividis",
        offset_transform=ax.transData, clim=(0, 1), edgecolors="white", linewidths=0.3,
    )  # fmt: skip
    ax.add_collection(circles)
    ax.set(xlim=(0, box), ylim=(0, box), aspect="equal")
    return f"Lennard-Jones\nkT = {temperature}, density {density:.1f}; bright: hexagonal"


def cahn_hilliard_panel(ax: Axes) -> str:
    """Draw droplets of a mixture."""
    start = 0.05 * np.random.default_rng(10).normal(size=(256, 256)) - 0.2
    film = simulate_ginzburg_landau(
        LandauPotential(a=-1.0, c=1.0), start, "conserved", frame_times=[0.0, 1500.0]
    )
    show(ax, film.values[-1], "cividis", vmin=-1, vmax=1)
    return "Cahn-Hilliard\n256 x 256, mean -.2, t = 1500"


def polarization_panel(ax: Axes) -> str:
    """Draw domains of a polarisation."""
    potential = VectorLandauPotential(a1=-1.0, a11=0.6, a12=0.4, g11=1.0, g44=1.0)
    start = 0.05 * np.random.default_rng(11).normal(size=(2, 192, 192))
    film = simulate_ginzburg_landau(
        potential, start, frame_times=[0.0, 40.0], couplings=DepolarizationEnergy(2.0)
    )
    along_x, along_y = film.values[-1]
    show(ax, np.arctan2(along_y, along_x), "twilight_shifted", vmin=-np.pi, vmax=np.pi)
    step, at = 12, np.arange(6, 192, 12)
    ax.quiver(at, at, along_x[6::step, 6::step], along_y[6::step, 6::step], color="white",
              scale=24, width=0.006, pivot="middle")  # fmt: skip
    return "Polarization\n192 x 192; colour: direction"


def line_panel(ax: Axes) -> str:
    """Draw a line that creeps through a random medium."""
    n_points = 256
    medium = random_landscape(n_points, 1.0, 1.0, 2.0, 256.0, rng=12)
    times = np.linspace(0.0, 1350.0, 28)
    track = simulate_wall(
        1.0, 1.0, 0.8, medium, start=np.full(n_points, 20.0), frame_times=times,
        options=LineOptions(), rng=13,
    )  # fmt: skip
    lines = [part[["x", "y"]].to_numpy() for _, part in track.table.groupby("frame")]
    collection = LineCollection(lines, cmap="cividis", array=times, linewidths=1.3)
    ax.imshow(medium.potential.T, cmap="Greys", alpha=0.35, origin="lower",
              extent=(0, n_points, 0, medium.period), interpolation="bilinear")  # fmt: skip
    ax.add_collection(collection)
    ax.set(xlim=(0, n_points - 1), ylim=(0, n_points - 1), aspect="equal")
    return "Driven line\nin a random medium; late is bright"


PANELS = (
    ising_panel, potts_panel, blume_capel_panel, spin_glass_panel,
    lennard_jones_panel, cahn_hilliard_panel, polarization_panel, line_panel,
)  # fmt: skip


def gallery_figure() -> Figure:
    """Draw one snapshot of each kind of model."""
    figure = Figure(figsize=(11.0, 6.3), layout="constrained")
    for letter, ax, draw in zip("abcdefgh", figure.subplots(2, 4).flat, PANELS, strict=True):
        title, _, rest = draw(ax).partition("\n")
        ax.set_title(f"{letter}  {title}", fontsize=10)
        ax.set_xlabel(rest, fontsize=9, color=GREY)
        ax.set(xticks=[], yticks=[])
        for spine in ax.spines.values():
            spine.set(visible=True, color=GREY, lw=0.6)
    return figure
