"""The optional accelerator: an NVIDIA GPU through numba's CUDA target."""

from __future__ import annotations

from typing import Any

from physlearn.checks import BackendUnavailable

__all__ = ["BACKENDS", "require_cuda"]

BACKENDS = ("cpu", "cuda")


def require_cuda() -> Any:
    """Return ``numba.cuda``, or say in one sentence what is missing.

    With ``NUMBA_ENABLE_CUDASIM=1`` in the environment it is numba's simulator, for tests.

    Raises
    ------
    BackendUnavailable
        Without a device, its driver, or numba's CUDA target.

    Examples
    --------
    >>> try:
    ...     found = require_cuda().is_available()
    ... except BackendUnavailable as refusal:
    ...     found = "backend='cpu'" in str(refusal)
    >>> found
    True
    """
    try:
        from numba import cuda

        there = bool(cuda.is_available())
    except Exception:  # numba raises errors of many kinds where its CUDA target is half installed
        there = False
    if not there:
        raise BackendUnavailable(
            "backend='cuda' needs an NVIDIA GPU with its driver and numba's CUDA target (pip "
            "install numba-cuda), and none was found here; use backend='cpu'."
        )
    return cuda
