"""Frames of two particles in a box, whose likelihood is a sum over a grid: exact posteriors."""

import numpy as np

from physlearn.inference.configurations.snapshots import Snapshot

LENGTH = 3.2
CUTOFF = 1.6


def grid(n=400):
    """Displacements of a particle from the other, cell centres, shape (n, n, 2)."""
    x = (np.arange(n) + 0.5) / n * LENGTH - LENGTH / 2
    return np.stack(np.meshgrid(x, x, indexing="ij"), -1)


def boltzmann(family, theta, n=400):
    """exp(-u) on the grid, and its integral over the box."""
    r = np.linalg.norm(grid(n), axis=-1)
    weight = np.exp(-np.minimum(family.potential(theta).value(r.ravel()), 700.0)).reshape(n, n)
    return weight, float(weight.sum() * (LENGTH / n) ** 2)


def draw_frames(family, theta, n_frames, rng, position_sd=0.0, n=400):
    """Independent frames: the displacement from the grid's cells, a place in the cell even."""
    weight, _ = boltzmann(family, theta, n)
    cells = rng.choice(n * n, n_frames, p=weight.ravel() / weight.sum())
    gap = grid(n).reshape(-1, 2)[cells] + (rng.random((n_frames, 2)) - 0.5) * LENGTH / n
    first = rng.random((n_frames, 2)) * LENGTH
    box = np.array([LENGTH, LENGTH])
    frames = []
    for a, d in zip(first, gap, strict=True):
        places = np.stack([a, a + d]) + position_sd * rng.standard_normal((2, 2))
        frames.append(
            Snapshot(
                places % LENGTH, np.zeros(2, dtype=np.int64), box, np.stack([0 * box, box]),
                np.full(2, position_sd), "reduced",
            )
        )  # fmt: skip
    return frames


def exact_log_likelihood(family, frames, thetas, n=400):
    """Log likelihood at every theta (m, p); true displacements integrated over by convolution."""
    sd = np.sqrt(2.0) * frames[0].position_sd[0]
    gaps = np.array([frame.positions[1] - frame.positions[0] for frame in frames])
    gaps -= np.round(gaps / LENGTH) * LENGTH
    out = []
    for theta in thetas:
        weight, integral = boltzmann(family, theta, n)
        if sd == 0.0:
            value = -family.potential(theta).value(np.linalg.norm(gaps, axis=1))
        else:
            wave = 2.0 * np.pi * np.fft.fftfreq(n, LENGTH / n)
            damp = np.exp(-0.5 * sd**2 * (wave[:, None] ** 2 + wave**2))
            smooth = np.fft.ifft2(np.fft.fft2(weight) * damp).real
            at = (gaps + LENGTH / 2) / LENGTH * n - 0.5
            low = np.floor(at).astype(int)
            f = at - low
            value = 0.0
            for i in (0, 1):
                for j in (0, 1):
                    share = np.where(i, f[:, 0], 1 - f[:, 0]) * np.where(j, f[:, 1], 1 - f[:, 1])
                    value = value + share * smooth[(low[:, 0] + i) % n, (low[:, 1] + j) % n]
            value = np.log(value)
        out.append(float(np.sum(value)) - len(frames) * np.log(integral))
    return np.array(out)
