"""What a fit of a film remembers: the last field, its spread, and how the model is rebuilt."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice
from physlearn.inference.fields.field_frames import FieldFrames
from physlearn.inference.fields.field_model import FieldModel
from physlearn.inference.fields.polynomial_field import make_polynomial_field
from physlearn.inference.fields.term_model import make_term_model
from physlearn.inference.fields.user_terms import FieldTerm
from physlearn.lattice_models.fields.forcing import FieldDrive
from physlearn.results import Fit

__all__ = ["FieldState", "drive_between_frames", "state_of"]

Floats = NDArray[np.float64]
Drive = Callable[[Floats, NDArray[np.int64]], Floats]
NEEDED = ("last_field", "few_sensitivity", "field_deviations", "few_mean", "few_information")


@dataclass(frozen=True, eq=False)
class FieldState:
    """The field at one time, as far as it is known, jointly with the few parameters.

    Given the few (terms, then the camera's), the field is ``field + sensitivity (few - mean)``,
    give or take ``deviations``, draws of what is left. ``information`` is that of the few.
    """

    settings: dict[str, Any]
    terms: tuple[str | FieldTerm, ...]
    mean: Floats
    information: Floats
    field: Floats
    sensitivity: Floats
    deviations: Floats
    time: float
    noise_sd: float

    @property
    def n_terms(self) -> int:
        """Terms of the model among the few."""
        return len(self.terms)

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The camera's parameters among the few."""
        return tuple(self.settings["few"][self.n_terms :])

    def model(self, times: Floats, drive: Drive | None) -> FieldModel:
        """Return the model over these times, its steps fit for the mean parameters."""
        margin, edges = int(self.settings["margin"]), self.settings["edges"]
        given = self.settings["profile"]
        profile = None if given is None else np.pad(np.array(given), margin, mode="edge")
        pixel_size = (self.settings["pixel_size"][0], self.settings["pixel_size"][1])
        conserved = self.settings["dynamics"] == "conserved"
        names = [term for term in self.terms if isinstance(term, str)]
        model: FieldModel
        if not conserved and len(names) == len(self.terms):
            model = make_polynomial_field(
                self.field.shape, times, tuple(names), pixel_size=pixel_size,
                mirror=edges != "periodic", drive=drive, profile=profile,
                largest=self.settings["largest"],
            )  # fmt: skip
        else:
            model = make_term_model(
                self.field.shape, times, self.terms, conserved=conserved, pixel_size=pixel_size,
                mirror=edges != "periodic", drive=drive, profile=profile,
                largest=self.settings["largest"],
            )  # fmt: skip
        return model.with_steps(self.mean[: self.n_terms])

    def camera(self, values: Floats, weights: Floats, times: Floats) -> FieldFrames:
        """Return the camera of frames at these times; the film's first time stands before them."""
        first = np.array([self.settings["first_time"]])
        nothing = np.zeros((1, *values.shape[1:]))
        dx, dy = self.settings["pixel_size"]
        camera = FieldFrames(
            np.concatenate([nothing, values]), np.concatenate([nothing, weights]),
            np.concatenate([first, times]), (dx, dy), margin=int(self.settings["margin"]),
            mirror=self.settings["edges"] != "periodic", nuisances=self.camera_names,
            psf_width=float(self.settings["psf_width"]),
        )  # fmt: skip
        camera.place(self.mean[self.n_terms :])
        return camera

    @property
    def view(self) -> tuple[int, int]:
        """Shape of the picture, without the margin."""
        margin = int(self.settings["margin"])
        return self.field.shape[0] - 2 * margin, self.field.shape[1] - 2 * margin


def state_of(fit: Fit, terms: Sequence[str | FieldTerm] | None) -> FieldState:
    """Return what a fit remembers.

    Raises
    ------
    InputError
        When the fit is not one of a film, or holds users' terms that are not given again.
    """
    if not isinstance(fit, Fit):
        raise InputError(f"the fit must be a Fit; got {type(fit).__name__}.")
    groups = list(fit.idata.groups())
    kept = fit.idata["constant_data"] if "constant_data" in groups else {}
    if "field_model" not in fit.attrs or any(name not in kept for name in NEEDED):
        raise InputError(
            "the fit must be one of a film by fit_ginzburg_landau without temperature; this one "
            f"({fit.model}) does not hold the field at its last frame."
        )
    settings = json.loads(fit.attrs["field_model"])
    arrays = {name: kept[name].to_numpy().astype(np.float64) for name in NEEDED}
    return FieldState(
        settings, _terms(settings, terms), arrays["few_mean"], arrays["few_information"],
        arrays["last_field"], arrays["few_sensitivity"], arrays["field_deviations"],
        float(settings["last_time"]), float(settings["noise_sd"]),
    )  # fmt: skip


def _terms(
    settings: dict[str, Any], given: Sequence[str | FieldTerm] | None
) -> tuple[str | FieldTerm, ...]:
    """Put users' functions, which no file holds, back in their places."""
    records = {term.name: term for term in given or () if isinstance(term, FieldTerm)}
    missing = [name for name in settings["user_terms"] if name not in records]
    if missing:
        raise InputError(
            f"terms must be given again with the FieldTerm {missing[0]!r}: a fit does not store "
            "users' functions."
        )
    return tuple(records.get(name, name) for name in settings["terms"])


def drive_between_frames(
    drive: FieldDrive | ArrayLike | Callable[[Floats], ArrayLike] | None,
    settings: dict[str, Any],
    times: Floats,
    between: str = "held",
) -> Drive | None:
    """Return E in the intervals that follow the last frame, or say what is missing.

    ``times``: the last frame's and those of the frames that follow.
    """
    check_choice("drive_between", between, ("held", "linear"))
    n_intervals = times.size - 1
    if "field" not in settings["terms"] and not settings["user_terms"]:
        return None
    if drive is None:
        if "field" in settings["terms"]:
            raise InputError(
                f"drive must be given for the {n_intervals} interval(s) after the last frame: "
                "the fit has a field term."
            )
        return None
    given: Any = drive.waveform if isinstance(drive, FieldDrive) else drive
    if callable(given):
        return lambda times, _: check_array("drive", given(times), shape=np.shape(times))
    wave = np.asarray(given, dtype=float)
    if wave.ndim == 0:
        wave = np.full(n_intervals + (between == "linear"), float(wave))
    if between == "linear":
        ends = check_array("drive", wave, shape=(n_intervals + 1,))
        return lambda moments, _: np.interp(moments, times, ends)
    wave = check_array("drive", wave, shape=(n_intervals,))
    return lambda _, intervals: wave[intervals]
