"""Springs between the atoms of a crystal from how its atoms fluctuate about their sites."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_choice, check_count
from physlearn.inference.crystals.crystal_data import CrystalFrames, read_crystal
from physlearn.inference.crystals.crystal_doubts import crystal_doubts
from physlearn.inference.crystals.crystal_sites import CrystalSites
from physlearn.inference.crystals.frame_correlation import (
    aligned_fields,
    bond_changes,
    frame_variance,
)
from physlearn.inference.crystals.spring_geometry import SpringGeometry, spring_geometry
from physlearn.inference.crystals.spring_model import LOG_SPREAD, SpringModel, read_position_error
from physlearn.inference.crystals.spring_posterior import (
    Draws,
    density_of,
    draw_by_likeness,
    draw_posterior,
    find_mode,
    start_of,
)
from physlearn.inference.crystals.wave_likelihood import WaveLikelihood
from physlearn.inference.crystals.wave_vectors import cells_of
from physlearn.inference.crystals.window_likelihood import WindowLikelihood
from physlearn.one_thread import one_blas_thread
from physlearn.results import Fit, fit_from_draws

__all__ = ["SAMPLINGS", "fit_crystal"]

Float = NDArray[np.float64]
RAYLEIGH = 0.655
"""Standard deviation of a Rayleigh variable of scale 1."""
LOG_NORMAL = 0.5 * LOG_SPREAD**2
SAMPLINGS = ("thermal_snapshot", "time_averaged_image")


def fit_crystal(
    configurations: Any,
    *,
    sampling: str,
    n_shells: int = 2,
    lattice: str | None = None,
    position_sd: Any = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Fit:
    """Infer longitudinal and transverse springs of the first shells, in kT over length squared.

    Displacements u of the atoms from their sites are Gaussian with energy / kT = 1/2 sum over
    bonds (u_i - u_j) K (u_i - u_j), K = L along the bond and T across it. In a periodic crystal
    the waves are independent and the likelihood is exact; a field of view is a part of a larger
    crystal whose other atoms are integrated out, and its own mean strain is free.

    The springs are those of the Gaussian that is closest to the fluctuations seen: effective at
    the temperature, density and range of springs of the data. In a hot crystal they differ from
    V'' and V'/r of the pair potential at the lattice distance; ``fit_pair_potential`` goes on to
    the potential.

    Parameters
    ----------
    configurations
        ``AtomicConfiguration``, several of them in the order of time, or a ``Trajectory``: one
        crystal of one species, triangular, square, honeycomb, simple cubic, fcc, bcc or hcp; with
        a ``cell`` periodic, without one a field of view. Crystals of two species are refused:
        springs between unlike atoms are not told apart. Frames that resemble each other count as
        the fewer independent ones that they are worth.
    sampling
        ``thermal_snapshot``: all atoms at one moment. A ``time_averaged_image`` (electron and
        tunnelling microscopy: a billion vibrations) is refused.
    n_shells
        Shells of neighbours with springs.
    lattice
        Its name; None: recognised.
    position_sd
        Error of a measured position per axis: a number (0: none), (mean, sd) or ``"free"``; None:
        the record's covariance.
    rng
        Seed or generator.
    progress
        Called with (steps done, steps).

    Returns
    -------
    Fit
        ``longitudinal`` and ``transverse`` (dim ``shell``), kT over length squared;
        ``bulk_modulus`` and ``shear_modulus`` (or ``c11``, ``c12``, ``c44``), kT over area or
        volume; ``position_sd`` where it was inferred. Diagnostics: the lattice, its spacing, the
        Lindemann ratio, whether a Gaussian fits.

    Raises
    ------
    InputError
        Where ``sampling`` or ``position_sd`` is missing, for a time-averaged image, several
        species, or a wrong shape.
    NotIdentified
        Where the atoms do not lie on one crystal, too many sites are empty, or for a field of view
        or vacancies in three dimensions.

    Notes
    -----
    Fluctuations of colloidal crystals: Keim et al. 2004, doi:10.1103/PhysRevLett.92.215504.

    Examples
    --------
    >>> from physlearn.inference.crystals.harmonic_crystal import sample_harmonic_crystal
    >>> atoms = sample_harmonic_crystal("triangular", 16, [300.0, -10.0], rng=1)[0]
    >>> fit = fit_crystal(atoms, sampling="thermal_snapshot", n_shells=1, position_sd=0, rng=1)
    >>> fit["longitudinal"].shape, fit.diagnostics["lattice"]
    ((2000, 1), 'triangular')
    """
    check_sampling(sampling)
    check_count("n_shells", n_shells, 1)
    generator, seed = as_generator(rng)
    with one_blas_thread():
        frames = read_crystal(configurations, lattice)
        spacing = float(np.mean([s.spacing for s in frames.sites]))
        error = read_position_error(position_sd, frames.covariance, spacing)
        geometry = spring_geometry(frames.sites[0].kind, frames.sites[0].primitive, n_shells)
        reference = rough_spring(frames, geometry, error.mean**2)
        model = SpringModel(2 * n_shells, spacing, error, reference)
        shares = frames.error_shares if position_sd is None else [1.0] * len(frames.sites)
        parts = likelihood_parts(frames, geometry, shares)
        draws = posterior_of(parts, model, generator, progress)
        found, warnings = crystal_doubts(frames, parts, model, draws.theta)
    return _as_fit(frames, geometry, model, draws, seed, found, warnings)


def check_sampling(sampling: str) -> None:
    """Refuse what was not said, and pictures that average over vibrations."""
    check_choice("sampling", sampling, SAMPLINGS)
    if sampling == "time_averaged_image":
        raise InputError(
            "sampling='time_averaged_image' holds no fluctuations: each position is a mean over "
            "many vibrations, so its scatter is static disorder and fit error; take "
            "measure_structure for spacings and strain."
        )


def likelihood_parts(
    frames: CrystalFrames, geometry: SpringGeometry, error_shares: Sequence[float] | None = None
) -> list[WaveLikelihood | WindowLikelihood]:
    """Return the likelihoods whose product is that of all frames.

    ``error_shares``: each frame's variance of positions over the mean one. Of whole crystals only
    the frames' mean spectrum counts, and so does the mean variance.
    """
    first = frames.sites[0]
    fields, form = aligned_fields(frames.sites)
    if not frames.is_whole or first.periods is None:
        if first.dimension == 3:
            raise NotIdentified(
                "a field of view, or vacancies, in three dimensions would take hours here; give a "
                "whole periodic crystal with its cell, or take fit_pair_potential."
            )
        shares = [1.0] * len(frames.sites) if error_shares is None else error_shares
        return _parts_seen(frames.sites, bond_changes(first, fields, form), geometry, shares)
    cells, b = cells_of(form), first.kind.n_basis
    rows = fields.transpose(0, 2, 1, 3).reshape(len(fields), -1, first.dimension)
    return [
        WaveLikelihood.of(
            rows, np.tile(cells, (b, 1)), np.repeat(np.arange(b), len(cells)), first.periods,
            geometry, None,
        )
    ]  # fmt: skip


def _parts_seen(
    sites: list[CrystalSites], changes: Float, geometry: SpringGeometry, shares: Sequence[float]
) -> list[WaveLikelihood | WindowLikelihood]:
    """Keep every so many-th frame of a film of like frames: each takes long to compute."""
    stride = int(frame_variance(changes))
    weight = 1.0 / frame_variance(changes, stride)
    return [
        WindowLikelihood.of(s, own_geometry(s, geometry), weight, share)
        for s, share in zip(sites[::stride], shares[::stride], strict=True)
    ]


def rough_spring(frames: CrystalFrames, geometry: SpringGeometry, noise: float) -> float:
    """Return the spring that would alone explain how bonds of the first shell change length."""
    d = geometry.kind.dimension
    near = np.flatnonzero(geometry.shell == 0)
    squares = []
    for s in frames.sites:
        rows = np.column_stack([s.indices, s.basis])
        if s.periods is not None:
            from physlearn.inference.crystals.wave_vectors import reduce_rows, row_form

            form = row_form(s.periods)
            rows[:, :d] = reduce_rows(rows[:, :d], form)
        named = {tuple(row): k for k, row in enumerate(rows.tolist())}
        for m in near:
            step = rows + np.append(geometry.cells[m], geometry.second[m] - geometry.first[m])
            step = step[s.basis == geometry.first[m]]
            if s.periods is not None:
                step[:, :d] = reduce_rows(step[:, :d], form)
            other = np.array([named.get(tuple(row), -1) for row in step.tolist()])
            own = np.flatnonzero(s.basis == geometry.first[m])[other >= 0]
            along = geometry.vectors[m] / np.linalg.norm(geometry.vectors[m])
            squares.append((s.displacement[other[other >= 0]] - s.displacement[own]) @ along)
    square = float((np.concatenate(squares) ** 2).mean())
    thermal = max(square - 2.0 * noise, 0.1 * square)
    return 2.0 * d / (len(near) / geometry.kind.n_basis * thermal)


def own_geometry(sites: CrystalSites, like: SpringGeometry) -> SpringGeometry:
    """Return bonds of one frame's own lattice."""
    return spring_geometry(sites.kind, sites.primitive, like.n_springs // 2)


def posterior_of(
    parts: list[Any],
    model: SpringModel,
    rng: np.random.Generator,
    progress: Callable[[int, int], Any] | None = None,
) -> Draws:
    """Return posterior draws of theta."""
    density = density_of(parts, model)

    def score(theta: Float) -> tuple[Float, Float]:
        springs, noise = model.springs(theta[None])[0], float(model.noise(theta[None])[0])
        each = [part.score(springs, noise) for part in parts]
        return model.turn(theta, sum(e[0] for e in each), sum(e[1] for e in each))

    whole = all(isinstance(part, WaveLikelihood) for part in parts)
    tolerance = 1e-7 if whole else 0.02
    mode, information = find_mode(density, score, start_of(model, density), tolerance)
    if progress is not None:
        progress(1, 2)
    if whole:
        draws = draw_posterior(density, mode, information, rng)
    else:
        springs, noise = model.springs(mode[None])[0], float(model.noise(mode[None])[0])
        alike = density_of([part.likeness(springs, noise) for part in parts], model)
        draws = draw_by_likeness(density, alike, mode, information, rng)
    if progress is not None:
        progress(2, 2)
    return draws


def _as_fit(
    frames: CrystalFrames, geometry: SpringGeometry, model: SpringModel, draws: Draws, seed: int,
    found: dict[str, Any], warnings: list[str],
) -> Fit:  # fmt: skip
    springs = model.springs(draws.theta)
    variables = {"longitudinal": springs[:, 0::2], "transverse": springs[:, 1::2]}
    variables.update({k: np.asarray(v) for k, v in geometry.elastic(springs).items()})
    stiffness = f"kT/{frames.unit}^2"
    modulus = f"kT/{frames.unit}^{geometry.kind.dimension}"
    units = dict.fromkeys(variables, modulus)
    units.update(longitudinal=stiffness, transverse=stiffness)
    others = model.reference * model.prior_sd[: model.n_springs]
    others[0] = np.exp(model.prior_mean[0] + LOG_NORMAL) * np.sqrt(np.expm1(2.0 * LOG_NORMAL))
    prior_sd: dict[str, Any] = {"longitudinal": others[0::2], "transverse": others[1::2]}
    if not model.error.is_known:
        variables["position_sd"] = np.abs(draws.theta[:, -1])
        units["position_sd"] = frames.unit
        prior_sd["position_sd"] = model.error.sd * (1.0 if model.error.mean else RAYLEIGH)
    first = frames.sites[0]
    whole = frames.is_whole
    return fit_from_draws(
        variables,
        model=f"Springs of {geometry.n_springs // 2} shell(s) in a {first.kind.name} crystal",
        likelihood="independent waves, exact" if whole else "Gaussian field seen in part",
        approximation=draws.approximation, seed=seed, data=frames.arrays, prior_sd=prior_sd,
        units=units, dims={"longitudinal": ["shell"], "transverse": ["shell"]},
        coords={"shell": list(range(1, geometry.n_springs // 2 + 1))},
        diagnostics={**found, "pareto_k": draws.pareto_k, "effective_draws": draws.effective,
                     "surrogate_error": draws.surrogate_error},
        warnings=warnings,
        attrs={"lattice": first.kind.name, "sampling": "thermal_snapshot"},
        constants={"primitive": first.primitive},
    )  # fmt: skip
