"""Films with exact solutions at any time and place, for tests of laws of fields."""

import numpy as np
import xarray as xr


def waves_at(times, y, x, rng, *, decay=0.1, growth=0.0, drift=(0.0, 0.0), n_waves=12):
    """u(t, y, x) of du/dt = growth u + decay lap u + drift_y u_y + drift_x u_x; times may be 2-D.

    ``times``: (n_frames,) or (n_frames, n_rows). Waves fit the box of ``y`` and ``x``.
    """
    generator = np.random.default_rng(rng)
    times = np.atleast_2d(np.asarray(times, float).T).T
    if times.shape[1] == 1:
        times = np.repeat(times, len(y), axis=1)
    total = np.zeros((len(times), len(y), len(x)))
    for _ in range(n_waves):
        kx, ky = generator.integers(-4, 5, size=2) * np.array([0.6, 0.0 if len(y) == 1 else 0.6])
        phase, size = generator.uniform(0, 2 * np.pi), generator.normal()
        rate = growth - decay * (kx**2 + ky**2)
        angle = (
            ky * y[None, :, None] + kx * x[None, None]
            + (drift[0] * ky + drift[1] * kx) * times[..., None] + phase
        )  # fmt: skip
        total += size * np.exp(rate * times)[..., None] * np.cos(angle)
    return total


def film_of(values, times, y, x, **attrs):
    """DataArray with coordinates."""
    return xr.DataArray(
        values, dims=("time", "y", "x"), coords={"time": times, "y": y, "x": x}, attrs=attrs
    )


def burgers_line(times, x, viscosity=0.15):
    """u(t, x) of du/dt = -u u_x + viscosity u_xx by Cole and Hopf: u = -2 viscosity (log f)_x."""
    k = np.array([0.5, 1.1, 1.7])[:, None, None]
    size = np.array([0.8, -0.6, 0.5])[:, None, None]
    phase = np.array([0.3, 1.9, 4.0])[:, None, None]
    grow = size * np.exp(-viscosity * k**2 * times[:, None])
    f = 2.2 + (grow * np.cos(k * x + phase)).sum(axis=0)
    slope = (-k * grow * np.sin(k * x + phase)).sum(axis=0)
    return xr.DataArray(
        -2 * viscosity * slope / f, dims=("time", "x"), coords={"time": times, "x": x}
    )


def found(law):
    """Coefficients by the names of their terms."""
    return {
        "1" if term.program == (1,) else term.program[0]: term.coefficient for term in law.terms
    }


def z_scores(law, truth):
    """(estimate - truth) / sd for every term of the law."""
    sd = np.sqrt(np.diag(law.covariance))
    return {
        name: (value - truth[name]) / s
        for (name, value), s in zip(found(law).items(), sd, strict=True)
    }
