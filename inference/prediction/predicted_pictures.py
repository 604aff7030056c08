"""Pictures that a fitted Hamiltonian predicts at another temperature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from physlearn.checks import as_generator, check_count, check_positive
from physlearn.inference.energies.periodic_crystal import (
    USUAL_SIZES,
    make_crystal,
    uniform_mode,
)
from physlearn.inference.lattices.fit_contents import family_of, snapshots_of, theta_of
from physlearn.inference.prediction.picture_doubts import (
    check_composition,
    check_coupled,
    composition_of,
    crystal_kind,
    inherited_notes,
)
from physlearn.inference.prediction.prediction_steps import largest_pull
from physlearn.inference.prediction.thermal_ladders import (
    SWEEPS_BETWEEN_SWAPS,
    make_tasks,
    sample_blocks,
)
from physlearn.inference.prediction.thermal_runs import rung_coordinates
from physlearn.records import LatticeSnapshots
from physlearn.results import Fit

__all__ = ["predict_pictures"]


def predict_pictures(
    fit: Fit,
    temperature_ratio: float = 1.0,
    n_pictures: int = 64,
    *,
    lattice: str | None = None,
    shape: Sequence[int] | None = None,
    burn_in_sweeps: int = 400,
    rng: int | np.random.Generator | None = None,
) -> LatticeSnapshots:
    """Draw pictures that a fitted Hamiltonian predicts at another temperature.

    Each picture comes from a posterior draw of its own, so that any statistic of the pictures has
    the spread of a new picture and the posterior's together. Draws that must be repeated are so.

    Parameters
    ----------
    fit
        From ``fit_lattice_hamiltonian``.
    temperature_ratio
        T / T_s, T_s the temperature where the fitted pattern froze.
    n_pictures
        Number of pictures.
    lattice, shape
        As in ``predict_thermodynamics``.
    burn_in_sweeps
        Sweeps from independent random states, exchanging along a ladder up to weak coupling.
    rng
        Seed or generator.

    Returns
    -------
    LatticeSnapshots
        States as in the fit's own pictures, on a periodic crystal.

    Raises
    ------
    InputError
        As in ``predict_thermodynamics``.

    Examples
    --------
    >>> from physlearn.inference import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.3]), square_lattice((24, 24)), rng=1)
    >>> fit = fit_lattice_hamiltonian(picture, n_shells=1, rng=1)
    >>> predict_pictures(fit, 1.5, 8, shape=(8, 8), burn_in_sweeps=40, rng=1).states.shape
    (8, 64)
    """
    check_count("n_pictures", n_pictures, 1)
    check_count("burn_in_sweeps", burn_in_sweeps, 1)
    ratio = check_positive("temperature_ratio", temperature_ratio)
    generator, seed = as_generator(rng)
    family, snapshots = check_coupled(family_of(fit)), snapshots_of(fit)
    kind = crystal_kind(lattice, snapshots)
    crystal = make_crystal(kind, shape or USUAL_SIZES[kind], family.n_shells)
    composition = check_composition(composition_of(family, snapshots), crystal)
    theta = theta_of(fit)[:, : family.n_parameters]
    theta = theta[generator.choice(len(theta), n_pictures, replace=n_pictures > len(theta))]
    rungs = rung_coordinates(
        np.array([ratio]), crystal.graph.n_sites, largest_pull(family, crystal, theta)
    )
    tasks = make_tasks(
        family, crystal, uniform_mode(crystal), theta[:, None, :] / rungs[None, :, None],
        (-(-burn_in_sweeps // SWEEPS_BETWEEN_SWAPS), 1), generator,
        composition,
    )  # fmt: skip
    cold = [part.codes.reshape(len(part.codes), -1, len(rungs))[:, :, 0].T
            for part in sample_blocks(tasks)]  # fmt: skip
    codes = np.concatenate(cold)
    return LatticeSnapshots(
        np.asarray(family.state_values, np.int8)[codes], crystal.graph,
        state_values=family.state_values, state_names=snapshots[0].state_names,
        metadata={"source": "predict_pictures", "temperature_ratio": ratio, "seed": seed},
        warnings=inherited_notes(fit, family, snapshots, kind),
    )  # fmt: skip
