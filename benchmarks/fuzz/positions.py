"""Atoms, tracks, crystals, drives, scans of points: valid files and their readers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz.formats import Format, any_of

__all__ = ["POSITIONS"]


def coordinates(path: Path) -> object:
    from physlearn.datasets import read_coordinates

    return read_coordinates(path)


def bare(path: Path) -> object:
    from physlearn.datasets import read_coordinates

    return read_coordinates(path, columns=("y", "x", "species"))


def tracks(path: Path) -> object:
    from physlearn.datasets import read_trajectory

    return read_trajectory(path)


def track_input(path: Path) -> object:
    from physlearn.track_input import read_tracks

    return read_tracks(path)


def structures(path: Path) -> object:
    from physlearn.datasets import read_structures

    return read_structures(path)


def forces(path: Path) -> object:
    from physlearn.datasets.reading.read_forces import read_forces

    return read_forces(path)


def drive(path: Path) -> object:
    from physlearn.datasets.reading.read_drive import read_drive

    return read_drive(path, 3)


def points(path: Path) -> object:
    from physlearn.datasets import read_scan_points

    return read_scan_points(path)


def _text(name: str, text: str) -> Callable[[Path], list[Path]]:
    def build(folder: Path) -> list[Path]:
        (folder / name).write_text(text, encoding="utf-8")
        return [folder / name]

    return build


def _csv(folder: Path) -> list[Path]:
    from physlearn.records import AtomicConfiguration

    rng = np.random.default_rng(0)
    atoms = AtomicConfiguration(
        rng.random((6, 2)), unit="nm", species=np.array([0, 1] * 3), species_names=("A", "B"),
        width=np.ones(6), intensity=np.ones(6),
    )  # fmt: skip
    atoms.to_csv(folder / "atoms.csv")
    rows = "\n".join(f"{f},{p},{p}.5,{f}.25" for f in range(3) for p in range(2))
    (folder / "tracks.csv").write_text(f"# unit: nm\nframe,particle,x,y\n{rows}\n")
    (folder / "bare.txt").write_text("0.5 0.25 1\n1.5 2.5 0\n")
    (folder / "points.csv").write_text("x,y,t,value\n" + "\n".join(
        f"{k % 4},{k // 4},{k * 0.1},{k * 0.5}" for k in range(16)))  # fmt: skip
    return [folder / name for name in ("atoms.csv", "tracks.csv", "bare.txt", "points.csv")]


def _ase(name: str, kind: str, n_frames: int = 1) -> Callable[[Path], list[Path]]:
    def build(folder: Path) -> list[Path]:
        import ase.io
        from ase.calculators.singlepoint import SinglePointCalculator

        frames = []
        for number in range(n_frames):
            atoms = ase.Atoms(
                "NbMo", [[0, 0, 0.1 * number], [1.6, 1.6, 1.6]], cell=[3.2] * 3, pbc=True
            )
            if kind in ("extxyz", "traj", "db"):
                atoms.calc = SinglePointCalculator(atoms, energy=-10.0, forces=np.ones((2, 3)))
            frames.append(atoms)
        held = frames if n_frames > 1 else frames[0]
        ase.io.write(folder / name, held, format=kind)
        return [folder / name]

    return build


def _dump(folder: Path) -> list[Path]:
    block = (
        "ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 4\n0 4\n"
        "0 4\nITEM: ATOMS id type x y z\n1 1 0.5 0.5 0.5\n2 2 1.5 1.5 1.5\n"
    )
    (folder / "a.dump").write_text(block.format(step=0) + block.format(step=10))
    return [folder / "a.dump"]


def _gsd(folder: Path) -> list[Path]:
    import gsd.hoomd

    with gsd.hoomd.open(str(folder / "a.gsd"), "w") as file:
        for step in range(2):
            frame = gsd.hoomd.Frame()
            frame.configuration.step, frame.configuration.box = step, [4, 4, 4, 0, 0, 0]
            frame.particles.N, frame.particles.types = 3, ["A", "B"]
            frame.particles.typeid = [0, 1, 0]
            frame.particles.position = np.full((3, 3), 0.5 * step)
            file.append(frame)
    return [folder / "a.gsd"]


def _atomai(folder: Path) -> list[Path]:
    rows = np.array([[1.0, 2.0, 0.0], [3.0, 4.0, 1.0]])
    np.savez(folder / "atomai.npz", **{"0": rows, "1": rows + 1})
    np.savez(folder / "points.npz", x=np.arange(16.0) % 4, y=np.arange(16.0) // 4,
             value=np.arange(16.0), unit="nm", dwell_time_us=4.0)  # fmt: skip
    return [folder / "atomai.npz", folder / "points.npz"]


def _bare(folder: Path) -> list[Path]:
    np.save(folder / "a.npy", np.array([[1.0, 2.0, 0.0], [3.0, 4.0, 1.0]]))
    return [folder / "a.npy"]


def _atomap(folder: Path) -> list[Path]:
    import h5py

    with h5py.File(folder / "atomap.hdf5", "w") as file:
        for number in range(2):
            group = file.create_group(f"sublattice{number}")
            group.attrs.update(name=f"A{number}", pixel_size=0.1, sublattice_index=number)
            group["atom_positions"] = np.random.default_rng(number).random((4, 2)) * 9
            group["sigma_x"] = np.ones(4)
            group["sigma_y"] = np.ones(4)
    with h5py.File(folder / "points.h5", "w") as file:
        for name in ("x", "y", "value"):
            file[name] = np.arange(16.0) % 4 if name == "x" else np.arange(16.0) // 4
        file["x"].attrs["units"] = "nm"
        file.attrs["dwell_time_us"] = 4.0
    return [folder / "atomap.hdf5", folder / "points.h5"]


def _entries(folder: Path) -> list[Path]:
    sites = [{"label": "Nb", "xyz": [0, 0, 0]}, {"label": "Mo", "xyz": [1.5, 1.5, 1.5]}]
    entry: dict[str, Any] = {
        "structure": {"lattice": {"matrix": [[3, 0, 0], [0, 3, 0], [0, 0, 3]]}, "sites": sites},
        "outputs": {"energy": -10.1, "forces": [[0.0, 0.0, 0.1], [0.0, 0.0, -0.1]]},
        "tags": ["relax"], "group": "x", "description": "y",
    }  # fmt: skip
    (folder / "a.json").write_text(json.dumps([entry, entry]))
    return [folder / "a.json"]


XYZ = "2\nlengths in nm\nA 0.0 0.0 0.0\nB 1.0 1.0 1.0\n"
POSITIONS = (
    Format("csv", _csv, any_of(coordinates, bare, tracks, points, track_input)),
    Format("xyz", _text("a.xyz", XYZ + XYZ), any_of(coordinates, tracks)),
    Format(
        "extxyz", _ase("a.extxyz", "extxyz", 2), any_of(coordinates, tracks, structures, forces)
    ),
    Format("cif", _ase("a.cif", "cif"), any_of(coordinates, structures)),
    Format("poscar", _ase("a.vasp", "vasp"), any_of(coordinates, structures)),
    Format("lammps data", _ase("a.lmp", "lammps-data"), coordinates),
    Format("lammps dump", _dump, any_of(coordinates, tracks)),
    Format("ase traj", _ase("a.traj", "traj", 2), any_of(structures, forces)),
    Format("ase db", _ase("a.db", "db"), any_of(structures, forces)),
    Format("gsd", _gsd, any_of(coordinates, tracks)),
    Format("atomai", _atomai, any_of(coordinates, points), "zip"),
    Format("bare npy", _bare, any_of(bare, points)),
    Format("atomap", _atomap, any_of(coordinates, points), "hdf5"),
    Format("entries", _entries, any_of(structures, forces), "json"),
    Format("drive", _text("d.csv", "frame,bias (mV)\n0,1.5\n1,-1.5\n2,0.5\n"), drive),
)
