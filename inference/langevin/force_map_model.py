"""The likelihood of motion in a field as a PyMC model, for NUTS or to join with others."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import check_choice
from physlearn.inference.langevin.force_map import ForceMapSettings, MotionProblem, prepare_map
from physlearn.inference.langevin.force_map_likelihood import find_mode, score_rows
from physlearn.inference.langevin.underdamped import prepare_underdamped
from physlearn.records import Trajectory

if TYPE_CHECKING:
    import pymc

__all__ = ["force_map_model"]

Float = NDArray[np.float64]


def force_map_model(
    trajectory: Trajectory,
    field: str | Callable[..., Float] | None = None,
    *,
    dynamics: str = "overdamped",
    localization_sd: float | tuple[float, float] | str | None = None,
    exposure_s: float | None = None,
    diffusion: str = "constant",
    settings: ForceMapSettings | None = None,
    prior: tuple[ArrayLike, ArrayLike] | None = None,
) -> pymc.Model:
    """Return the posterior of ``fit_force_map`` or ``fit_underdamped`` as a ``pymc.Model``.

    The same likelihood and prior, without Laplace's Gaussian and without the check by simulated
    tracks. Its variable ``theta`` (dim ``parameter``) starts at the posterior's mode: the field's
    parameters, then ``log_diffusion`` (or ``log_friction`` and ``log_square_speed``, the thermal
    speed's square), then ``log_localization_sd`` where the noise is not known.

    Parameters
    ----------
    trajectory, field, localization_sd, exposure_s, diffusion, settings, prior
        As for ``fit_force_map``; ``diffusion`` as there only for overdamped motion.
    dynamics
        ``overdamped`` or ``underdamped``.

    Raises
    ------
    InputError
        As for ``fit_force_map``.

    Examples
    --------
    >>> from physlearn.lattice_models.particles import HarmonicTrap, simulate_langevin
    >>> start = np.zeros((5, 2))
    >>> tracks = simulate_langevin(HarmonicTrap(2.0), start, 20, 10, time_step=0.02, rng=1)
    >>> along_x = ForceMapSettings(axes=(0,))
    >>> model = force_map_model(tracks, "harmonic", localization_sd=0.0, settings=along_x)
    >>> list(model.coords["parameter"])
    ['stiffness[x]', 'center[x]', 'log_diffusion']
    """
    import pymc

    check_choice("dynamics", dynamics, ("overdamped", "underdamped"))
    if dynamics == "underdamped":
        motion = prepare_underdamped(
            trajectory, field, forces="external", localization_sd=localization_sd,
            exposure_s=exposure_s, settings=settings, prior=prior,
        )  # fmt: skip
        rates: tuple[str, ...] = ("log_friction", "log_square_speed")
    else:
        motion = prepare_map(
            trajectory, field, localization_sd=localization_sd, exposure_s=exposure_s,
            diffusion=diffusion, settings=settings, prior=prior,
        )  # fmt: skip
        rates = () if motion.model.log_diffusion is None else motion.model.log_diffusion.names
    model = motion.model
    names = [*model.field.names, *rates, *["log_localization_sd"] * (model.noise.known is None)]
    mode = find_mode(model, motion.series, model.start)
    likelihood = _operation(motion, mode.step)
    with pymc.Model(coords={"parameter": names}) as out:
        theta = pymc.MvNormal(
            "theta", mu=model.prior_mean, tau=model.prior_precision, dims="parameter",
            initval=mode.theta,
        )  # fmt: skip
        pymc.Potential("tracks", likelihood(theta))
    return out


def _operation(motion: MotionProblem, step: float) -> Any:
    """Return the log likelihood of theta as an operation that PyTensor can differentiate."""
    # PyTensor's classes are untyped here and heavy: loaded and derived from at the first use
    operation: Any = import_module("pytensor.graph.op").Op
    tensors: Any = import_module("pytensor.tensor")
    node_of: Any = import_module("pytensor.graph.basic").Apply

    def value(theta: Float) -> float:
        with np.errstate(all="ignore"):
            total = motion.model.rows(theta, motion.series, step).log_density.sum()
        return float(total) if np.isfinite(total) else -np.inf

    def score(theta: Float) -> Float:
        with np.errstate(all="ignore"):
            rows = score_rows(motion.model, theta, motion.series, step)[0]
        return np.asarray(np.nan_to_num(rows.sum(axis=0), posinf=0.0, neginf=0.0))

    class Score(operation):  # type: ignore[misc]
        """Gradient of the log likelihood."""

        def make_node(self, theta: Any) -> Any:
            theta = tensors.as_tensor_variable(theta)
            return node_of(self, [theta], [tensors.dvector()])

        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:  # noqa: ARG002
            outputs[0][0] = score(np.asarray(inputs[0], dtype=np.float64))

    class Tracks(operation):  # type: ignore[misc]
        """Log likelihood of the tracks."""

        def make_node(self, theta: Any) -> Any:
            theta = tensors.as_tensor_variable(theta)
            return node_of(self, [theta], [tensors.dscalar()])

        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:  # noqa: ARG002
            outputs[0][0] = np.asarray(value(np.asarray(inputs[0], dtype=np.float64)))

        def L_op(self, inputs: Any, outputs: Any, gradients: Any) -> Any:  # noqa: ARG002, N802
            return [gradients[0] * Score()(inputs[0])]

    return Tracks()
