"""What a report advises and warns of: what would narrow the answers, why a step was left out."""

from __future__ import annotations

import math
from collections.abc import Sequence

from physlearn.findings import Findings
from physlearn.phrases import doubts_of, species_counts

__all__ = ["grouped_warnings", "narrow"]


def narrow(findings: Findings) -> list[str]:
    """Return what would make the answers sharper.

    Examples
    --------
    >>> narrow(Findings("a picture", 1))
    ['No step came far enough for advice: see what each one says it lacks.']
    """
    texts = _after_nothing(findings)
    if findings.couplings is not None and findings.snapshots is not None:
        n = findings.snapshots.n_observed
        texts.append(
            f"Couplings: the interval shrinks with the square root of the number of sites; half as "
            f"wide takes about {4 * n:,} sites of this composition instead of {n:,}."
        )
        counts = species_counts(findings)
        rare = min(counts, key=lambda name: counts[name]) if counts else ""
        share = counts[rare] / max(sum(counts.values()), 1) if counts else 1.0
        if share < 0.1:
            texts.append(
                f"Only {share:.1%} of the sites hold {rare}: pairs of it are what carries the "
                "coupling, so a richer composition helps more than a larger field of view."
            )
    if findings.graph is not None and not math.isnan(findings.graph.detectable):
        texts.append(
            "Causes: links weaker than a partial correlation of "
            f"{min(findings.graph.detectable, 1):.2f} were out of reach; more patches, or the "
            "same field scanned twice to know the noise, bring them in."
        )
    if findings.wall_fit is not None:
        texts.append(
            "Walls: longer contours and more frames narrow both numbers with the square root of "
            "their product; small bubbles carry the curvature term, large ones the drive."
        )
        if findings.track is not None and findings.track.drive is None:
            texts.append(
                "A recorded drive that changes its sign would turn the shared velocity into a "
                "mobility."
            )
    if findings.diffusion is not None:
        texts.append(
            "Diffusion: the interval shrinks with the square root of the number of particles times "
            "frames."
            + (" Short lags were left out because they are smeared: a shorter exposure, and "
               "positions found in each frame by itself, bring them in."
               if findings.diffusion.min_lag > 1 else "")
        )  # fmt: skip
    if findings.pair_force is not None:
        texts.append(
            "Forces: pairs that come close carry them; a denser sample tells more than a longer "
            "film."
        )
    if findings.hop_rates is not None:
        texts.append(
            "Hops: a rate at one temperature holds no barrier; films at three temperatures do, and "
            "films at two dose rates tell heat from beam."
        )
    return texts or ["No step came far enough for advice: see what each one says it lacks."]


def _after_nothing(findings: Findings) -> list[str]:
    """Return what to try where no atoms, no lattice or no walls were found."""
    texts = []
    if findings.image is not None and findings.atoms is None:
        texts.append(
            "Atoms: a column must span about three pixels or more and stand out of the noise. Try "
            "smaller pixels, a longer dwell time or several frames averaged; a picture of more "
            "than one channel, the channel that shows the atoms (--picture). Domains or grains "
            "without atoms are told by their patches, and their causes with a channel (--channel)."
        )
    elif findings.atoms is not None and findings.snapshots is None:
        texts.append(
            "Lattice: one crystal with at least a few hundred columns in the view shows it best; "
            "cut grain boundaries, edges and contamination off (--region)."
        )
    if findings.video is not None and findings.track is None:
        texts.append(
            "Walls: show the film itself, not outlines drawn from it, in two clear grey levels; "
            "cut frames, scale bars and fixed structures off (--region)."
        )
    return texts


def grouped_warnings(warnings: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Return warnings under where they came from; each sentence once, those that overrule first.

    Examples
    --------
    >>> grouped_warnings([("sites", "b"), ("walls", "do not trust it"), ("sites", "a"),
    ...     ("causes", "b.")])
    [('walls', ['do not trust it']), ('sites', ['b', 'a'])]
    """
    groups: dict[str, list[str]] = {}
    seen = set()
    for source, text in warnings:
        if (plain := text.strip(" .").lower()) not in seen:
            seen.add(plain)
            groups.setdefault(source, []).append(text)
    ordered = {
        source: sorted(texts, key=lambda text: not doubts_of([text]))
        for source, texts in groups.items()
    }
    return sorted(ordered.items(), key=lambda item: not doubts_of(item[1][:1]))
