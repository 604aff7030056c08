"""The pair force between particles from their positions in thermal equilibrium."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator, check_choice, check_temperature
from physlearn.inference.configurations.phase import judge_phase
from physlearn.inference.configurations.score_matching import match_score, resemblance
from physlearn.inference.configurations.snapshot_energies import ThreeBody
from physlearn.inference.configurations.snapshots import Snapshot, check_reach, read_snapshots
from physlearn.inference.configurations.structural_constraints import measure_structure
from physlearn.inference.configurations.theta_posterior import ThetaPosterior, fit_of_theta
from physlearn.inference.potential_families.make_family import make_interaction
from physlearn.inference.potential_families.pair_family import InteractionFamily, PairFamily
from physlearn.inference.potential_families.user_function import with_prior
from physlearn.lattice_models.particles import StillingerWeberAngle
from physlearn.results import Fit

__all__ = ["METHODS", "NO_POTENTIAL", "check_sampling", "fit_pair_potential", "read_interaction"]

Float = NDArray[np.float64]
SAMPLINGS = ("thermal_snapshot", "time_averaged_image")
METHODS = ("auto", "score", "likelihood", "fluctuations")
MOST_FOR_LIKELIHOOD = 5000
"""Particles, over all frames, up to which ``auto`` takes the likelihood by simulation."""
MOST_FOR_SCALE = 10
"""Frames from which the scale of the priors is taken."""
NO_POTENTIAL = (
    "No potential: an image averages over a billion vibrations, so the scatter of its positions "
    "is static disorder and fit error, never thermal motion; spacings and static strain are all "
    "that it tells."
)


def fit_pair_potential(
    configurations: Any,
    potential: str | PairFamily | InteractionFamily | Sequence[str | PairFamily] = "lennard_jones",
    *,
    sampling: str | None = None,
    method: str = "auto",
    cutoff: float | None = None,
    truncation: str = "shift",
    position_sd: float | None = None,
    temperature: tuple[float, float] | None = None,
    three_body: ThreeBody | StillingerWeberAngle | None = None,
    prior: Mapping[str, tuple[float, float]] | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Fit:
    """Estimate the pair potential of particles from where they are in thermal equilibrium.

    Positions hold energies over kT only: p(x) is proportional to exp(-sum of u(r_ij) / kT), at the
    density of the snapshot. Nothing is assumed of how the particles move.

    Parameters
    ----------
    configurations
        ``AtomicConfiguration``, a list of them or a ``Trajectory``, in two or three dimensions.
        With a ``cell`` the box is periodic; else particles nearer than a cutoff to the edge of the
        field of view act as neighbours only.
    potential
        ``lennard_jones``, ``morse``, ``yukawa``, ``inverse_power``, ``spline``, a ``PairFamily``
        (see ``family_from_function``), or one for each pair of species (0, 0), (0, 1), (1, 1).
    sampling
        Required. ``thermal_snapshot``: each position is that of one instant (or of an exposure
        much shorter than a vibration). ``time_averaged_image``: an electron or tunnelling image
        of a solid; no potential can be had, and only ``measure_structure`` is reported.
    method
        ``score``: score matching, milliseconds; ``likelihood``: the whole likelihood by
        simulation, seconds, errors about half as large; ``fluctuations``: of a crystal about its
        sites; both of these refuse splines. ``auto``: the likelihood up to 5,000 particles, else,
        and for splines, the score.
    cutoff, truncation
        Where the potential ends, and how (``shift``, ``cut``, ``switch``); None: 2.5 typical
        distances of neighbours.
    position_sd
        Standard deviation of each coordinate's error; None: ``position_covariance`` of the
        configurations. It must be stated: 0 says that positions are exact.
    temperature
        (mean, standard deviation) in kelvin: energies are then told in meV too.
    three_body
        ``StillingerWeberAngle`` whose strength is estimated beside the pair potential by the
        likelihood, in kT: variable ``three_body_strength``.
    prior
        Parameter -> (value, standard deviation) in natural units; log-normal where it must be
        positive. None: wide priors about the typical distance of neighbours.
    rng
        Seed or generator.
    progress
        Called with (steps done, steps).

    Returns
    -------
    Fit
        One variable a parameter, energies in kT. ``diagnostics`` names the method, the phase
        (crystal or liquid) and the checks of the estimator.

    Raises
    ------
    InputError
        Where ``sampling`` or the errors of positions are not stated, particles lie on top of each
        other, or a cutoff does not fit the box.

    References
    ----------
    Hyvarinen, J. Mach. Learn. Res. 6, 695 (2005), for score matching; Henderson, Phys. Lett. A 49,
    197 (1974, doi:10.1016/0375-9601(74)90847-0), for why the structure fixes the pair potential.

    Examples
    --------
    >>> from physlearn.lattice_models import particles
    >>> from physlearn.records import AtomicConfiguration
    >>> grid = np.stack(np.meshgrid(*[np.arange(12) * 1.2] * 2), -1).reshape(-1, 2)
    >>> start = AtomicConfiguration(grid, unit="reduced", cell=14.4 * np.eye(2))
    >>> world = particles.LennardJones(1.0, 1.0, cutoff=2.5)
    >>> frames = particles.sample_positions(world, start, 10, 50, rng=1)
    >>> fit = fit_pair_potential(frames, sampling="thermal_snapshot", method="score", cutoff=2.5,
    ...     position_sd=0.0, rng=1)
    >>> low, high = fit.interval("diameter")
    >>> bool(low < 1.0 < high)
    True
    """
    check_sampling(sampling)
    check_choice("method", method, METHODS)
    if temperature is not None:
        check_temperature(temperature)
    generator, seed = as_generator(rng)
    if sampling == "time_averaged_image":
        return measure_structure(
            configurations, position_sd=position_sd, rng=seed, refused=NO_POTENTIAL
        )
    snapshots = read_snapshots(configurations, position_sd)
    family = read_interaction(
        snapshots, potential, cutoff=cutoff, truncation=truncation, prior=prior
    )
    check_reach(snapshots, family.cutoff)
    phase = judge_phase(snapshots)
    extra = _read_three_body(three_body)
    chosen = _choose(method, snapshots, family, extra)
    posterior = _estimate(chosen, snapshots, family, extra, generator, progress)
    return fit_of_theta(
        posterior, family, snapshots, seed=seed, temperature=temperature,
        three_body_sd=None if extra is None else extra.prior_sd,
        diagnostics={
            "method": chosen, "asked_method": method, "truncation": truncation,
            "cutoff": family.cutoff, "sampling": sampling, **phase,
        },
    )  # fmt: skip


def read_interaction(
    snapshots: Sequence[Snapshot],
    potential: str | PairFamily | InteractionFamily | Sequence[str | PairFamily],
    *,
    cutoff: float | None = None,
    truncation: str = "shift",
    prior: Mapping[str, tuple[float, float]] | None = None,
) -> InteractionFamily:
    """Return the families that a user named, scaled to the data's distance of neighbours."""
    n_species = max(snapshot.n_species for snapshot in snapshots)
    length = contact_distance(snapshots)
    if isinstance(potential, InteractionFamily):
        family = potential
    else:
        if callable(potential):
            raise InputError(
                "potential must be a name or a family; wrap a function of your own as "
                "family_from_function(energy, parameters, cutoff=..., closest=...)."
            )
        family = make_interaction(
            potential, n_species, length=length, cutoff=cutoff, truncation=truncation
        )
    if family.n_species < n_species:
        raise InputError(
            f"potential has families for {family.n_species} species; the data hold {n_species}."
        )
    if prior is None:
        return family
    return InteractionFamily(
        tuple(with_prior(part, prior) for part in family.parts), family.n_species
    )


def contact_distance(snapshots: Sequence[Snapshot]) -> float:
    """Return the distance about which particles feel each other, the scale of the priors.

    In a dense system the median distance to the nearest neighbour; in a dilute one, where that is
    only how far apart the particles happen to be, 1.15 times the closest that one in five hundred
    of them comes to another.
    """
    from scipy.spatial import cKDTree

    nearest = []
    for snapshot in snapshots[:MOST_FOR_SCALE]:
        tree = cKDTree(snapshot.positions, boxsize=snapshot.box)
        nearest.append(np.asarray(tree.query(snapshot.positions, k=2)[0])[:, 1])
    distances = np.sort(np.concatenate(nearest))
    closest = float(distances[max(2, len(distances) // 500)])
    return min(float(np.median(distances)), 1.15 * closest)


def check_sampling(sampling: str | None) -> None:
    """Refuse positions of which it is not said what they are."""
    if sampling not in SAMPLINGS:
        raise InputError(
            "sampling must say what the positions are, 'thermal_snapshot' (one instant) or "
            "'time_averaged_image' (an electron or tunnelling image, which averages over a billion "
            f"vibrations and holds no thermal scatter); got {sampling!r}."
        )


def _read_three_body(three_body: ThreeBody | StillingerWeberAngle | None) -> ThreeBody | None:
    if three_body is None or isinstance(three_body, ThreeBody):
        return three_body
    if isinstance(three_body, StillingerWeberAngle):
        return ThreeBody(three_body)
    raise InputError(
        "three_body must be a StillingerWeberAngle (its strength is estimated) or a ThreeBody; "
        f"got {type(three_body).__name__}."
    )


def _choose(
    method: str,
    snapshots: Sequence[Snapshot],
    family: InteractionFamily,
    three_body: ThreeBody | None,
) -> str:
    if three_body is not None and method in ("score", "fluctuations"):
        raise InputError(f"three_body needs method='likelihood' or 'auto'; got {method!r}.")
    spline = any(part.name == "spline" for part in family.parts)
    if spline and (method in ("likelihood", "fluctuations") or three_body is not None):
        # where a knot's energy lets particles fall into each other simulations never settle
        raise InputError(
            "potential='spline' cannot be simulated reliably, for its core lies where no pair is "
            "seen: take method='score' (without three_body), or a family with a core of its own."
        )
    if method != "auto":
        return method
    total = sum(snapshot.n for snapshot in snapshots)
    if spline:
        return "score"
    if three_body is not None or total <= MOST_FOR_LIKELIHOOD:
        return "likelihood"
    return "score"


def _estimate(
    method: str,
    snapshots: list[Snapshot],
    family: InteractionFamily,
    three_body: ThreeBody | None,
    rng: np.random.Generator,
    progress: Callable[[int, int], Any] | None,
) -> ThetaPosterior:
    if method == "score":
        return match_score(snapshots, family, rng=rng)
    inflation = resemblance(snapshots, family, rng)
    if method == "fluctuations":
        from physlearn.inference.crystals.crystal_potential import fit_crystal_potential

        return fit_crystal_potential(
            snapshots, family, inflation=inflation, rng=rng, progress=progress
        )
    from physlearn.inference.configurations.simulated_likelihood import fit_by_simulation

    return fit_by_simulation(
        snapshots, family, three_body=three_body, inflation=inflation, rng=rng, progress=progress
    )
