"""The steps of a study of a domain-wall video: normalise, track, fit, laws."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.findings import Findings, Step

__all__ = ["VIDEO_STEPS"]

MOST_HELD_FRAMES = 3


def _normalise(findings: Findings) -> None:
    from physlearn.datasets.walls.normalize_frames import domain_fraction, normalize_frames

    if findings.video is None:
        return
    normal = normalize_frames(findings.video)
    raw = findings.video.to_numpy()
    seen = np.isfinite(normal.to_numpy()).any(axis=0)
    try:
        shares = np.asarray(domain_fraction(normal), dtype=np.float64)
    except InputError as error:  # the film itself could be read: it shows no domains
        raise NotIdentified(
            "the frames have no two levels, one a domain, that noise does not cover."
        ) from error
    findings.normalised = normal
    findings.domain_shares = pd.DataFrame(
        {
            "frame": np.arange(len(raw)),
            "time": normal.coords["time"].to_numpy(),
            "raw": _share_above(raw[:, seen]),
            "normalised": shares,
        }
    )


def _share_above(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of pixels above the middle of the first frame's two levels, per frame."""
    from skimage.filters import threshold_otsu

    begun = pixels[np.isfinite(pixels).any(axis=1)][0]
    first = begun[np.isfinite(begun)]
    threshold = float(threshold_otsu(first))  # type: ignore[no-untyped-call]
    known = np.isfinite(pixels).sum(axis=1)
    above = (pixels > threshold).sum(axis=1)
    share: NDArray[np.float64] = np.where(known > 0, above / np.maximum(known, 1), np.nan)
    return share


def _track(findings: Findings) -> None:
    from physlearn.datasets.walls.track_walls import TrackWallsOptions, track_walls

    if findings.normalised is not None:
        options = TrackWallsOptions(
            normalize=False, largest_step_pixel=findings.options.longest_wall_step,
            shortest_wall_pixel=findings.options.shortest_wall,
        )  # fmt: skip
        findings.track = track_walls(findings.normalised, options)


def _measure_advance(findings: Findings) -> None:
    from physlearn.datasets import measure_wall_advance

    if findings.track is not None and findings.normalised is not None:
        findings.wall_advance = measure_wall_advance(findings.track, findings.normalised)


def _fit_walls(findings: Findings) -> None:
    from physlearn.inference import fit_wall_dynamics

    if findings.track is not None:
        findings.wall_fit = fit_wall_dynamics(findings.track, rng=findings.rng("wall_parameters"))


def _measure_roughness(findings: Findings) -> None:
    from physlearn.datasets import measure_roughness

    if findings.track is not None:
        findings.wall_roughness = measure_roughness(findings.track)
        table = findings.wall_roughness.table
        if (table["refused"] != "").all():
            reasons = table.groupby("refused", sort=False)["wall"].apply(list)
            told = "; ".join(
                f"wall{'s' if len(walls) > 1 else ''} {', '.join(map(str, walls))}: {reason}"
                for reason, walls in reasons.items()
            )
            raise NotIdentified(f"no wall has a roughness exponent ({told}).")


def _forecast(findings: Findings) -> None:
    from physlearn.inference import fit_wall_dynamics, hold_out_frames, predict_walls

    track = findings.track
    if track is None:
        return
    n_held = min(MOST_HELD_FRAMES, track.n_frames // 4)
    if n_held < 1:
        raise NotIdentified(
            f"a forecast needs frames to be held out; the film has {track.n_frames}."
        )
    rng = findings.rng("wall_forecast")
    seen, held = hold_out_frames(track, n_held)
    futures = predict_walls(
        fit_wall_dynamics(seen, rng=rng), seen, n_held, drive=held.drive,
        times=held.frame_times, rng=rng,
    )  # fmt: skip
    findings.wall_forecast = futures.score(held)


def _find_laws(findings: Findings) -> None:
    from physlearn.inference import discover_wall_law

    if findings.track is not None:
        findings.laws = discover_wall_law(findings.track, rng=findings.rng("laws"))


VIDEO_STEPS = (
    Step("domain_share", "Bring frames to one scale", _normalise, ("video",)),
    Step("walls", "Track walls", _track, ("normalised",)),
    Step("wall_advance", "Measure how fast the walls advance", _measure_advance, ("track",)),
    Step("wall_parameters", "Fit what moves the walls", _fit_walls, ("track",)),
    Step("wall_forecast", "Forecast frames that were held out", _forecast, ("wall_fit",)),
    Step("wall_roughness", "Measure how rough the walls are", _measure_roughness, ("track",)),
    Step("laws", "Search for the law", _find_laws, ("track",)),
)
