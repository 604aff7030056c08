"""Coordinates of crystals, simulations and other finders; what is not stated is not invented."""

import h5py
import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import read_coordinates, read_trajectory


@pytest.fixture
def sheet():
    ase = pytest.importorskip("ase")
    return ase.Atoms(
        "MoS2", [[0, 0, 1], [1.58, 0.9, 2.5], [1.58, 0.9, 5.5]],
        cell=[[3.16, 0, 0], [-1.58, 2.737, 0], [0, 0, 20]], pbc=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.cif", "cif"), ("POSCAR", "vasp"), ("CONTCAR_2", "vasp"), ("a.vasp", "vasp"),
     ("a.extxyz", "extxyz"), ("a.xyz", "extxyz"), ("a.data", "lammps-data")],
)  # fmt: skip
def test_what_ase_writes_comes_back_with_its_box(tmp_path, sheet, name, kind):
    from ase.io import write

    options = {"masses": True} if kind == "lammps-data" else {}
    write(tmp_path / name, sheet, format=kind, **options)
    atoms = read_coordinates(tmp_path / name)
    assert atoms.unit == "angstrom"
    assert sorted(atoms.species_names[code] for code in atoms.species) == ["Mo", "S", "S"]
    # a cell may come back turned: its lengths and angles may not change
    assert np.allclose(atoms.cell @ atoms.cell.T, sheet.cell @ sheet.cell.T, atol=1e-5)
    first = atoms.positions[list(atoms.species).index(atoms.species_names.index("Mo"))]
    others = atoms.positions[atoms.species == atoms.species_names.index("S")]
    assert np.allclose(sorted(others[:, 2] - first[2]), [1.5, 4.5], atol=1e-5)


def test_lammps_types_without_masses_are_no_elements(tmp_path, sheet):
    from ase.io import write

    write(tmp_path / "a.data", sheet, format="lammps-data")
    atoms = read_coordinates(tmp_path / "a.data")
    assert atoms.species_names == ("type 1", "type 2")
    assert any("names no elements" in note for note in atoms.warnings)
    assert any("no unit of length" in note for note in atoms.warnings)
    assert read_coordinates(tmp_path / "a.data", unit="reduced").unit == "reduced"


DUMP = """ITEM: TIMESTEP
{step}
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS pp pp pp
0 10
0 10
0 10
ITEM: ATOMS id type x y z
2 2 {x} 1 1
1 1 2 2 2
"""


def test_lammps_dump_keeps_identities_over_frames(tmp_path):
    pytest.importorskip("ase")
    path = tmp_path / "a.lammpstrj"
    path.write_text("".join(DUMP.format(step=100 * k, x=1 + k) for k in range(3)))
    tracks = read_trajectory(path, unit="reduced")
    assert (tracks.n_frames, tracks.n_particles, tracks.time_unit) == (3, 2, "frame")
    assert tracks.positions[tracks.particle == 1][:, 0].tolist() == [1.0, 2.0, 3.0]
    assert tracks.metadata["steps_per_frame"] == 100
    assert np.allclose(tracks.cell, 10 * np.eye(3))
    assert read_trajectory(path, frame_interval_s=0.5).times.tolist() == [0.0, 0.5, 1.0]
    assert read_coordinates(path, frame=2).positions[1, 0] == 3.0
    with pytest.raises(InputError, match="frame must be 0 to 2"):
        read_coordinates(path, frame=3)
    shorter = DUMP.format(step=1, x=1).replace("\n2\nITEM: BOX", "\n1\nITEM: BOX")
    path.write_text(DUMP.format(step=0, x=1) + shorter.rpartition("1 1 2 2 2")[0])
    with pytest.raises(InputError, match="1 to 2 atoms in its frames"):
        read_trajectory(path)


def test_frames_of_an_xyz_file(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("1\n\nMo 0 0 0\n1\nlengths in nm\nS 1 2 3\n")
    assert read_coordinates(path).species_names == ("Mo",)
    second = read_coordinates(path, frame=1)
    assert (second.unit, second.species_names) == ("nm", ("S",))
    with pytest.raises(InputError, match="frame must be 0 to 1"):
        read_coordinates(path, frame=2)


def write_gsd(path, box, positions, steps):
    hoomd = pytest.importorskip("gsd.hoomd")
    with hoomd.open(str(path), "w") as file:
        for number, step in enumerate(steps):
            frame = hoomd.Frame()
            frame.configuration.step = step
            frame.configuration.box = box
            frame.configuration.dimensions = 2 if box[2] == 0 else 3
            frame.particles.N = len(positions)
            frame.particles.types = ["big", "small"]
            frame.particles.typeid = np.arange(len(positions)) % 2
            frame.particles.position = positions + 0.1 * number
            file.append(frame)


def announce_atoms(path, n):
    """Write a GSD file of one frame that states a number of atoms and holds none."""
    fl = pytest.importorskip("gsd.fl")
    with fl.open(str(path), "w", application="test", schema="hoomd", schema_version=[1, 4]) as file:
        file.write_chunk("particles/N", np.array([n], np.uint32))
        file.end_frame()


def test_gsd_in_two_dimensions_with_a_sheared_box(tmp_path):
    positions = np.array([[0.0, 0, 0], [1, 1, 0], [-1, 0.5, 0]])
    write_gsd(tmp_path / "a.gsd", [10, 8, 0, 0.5, 0, 0], positions, [0, 50, 100])
    atoms = read_coordinates(tmp_path / "a.gsd", frame=1)
    assert atoms.unit == "reduced"
    assert np.allclose(atoms.cell, [[10, 0], [4, 8]])
    assert np.allclose(atoms.positions, positions[:, :2] + 0.1)
    assert [atoms.species_names[code] for code in atoms.species] == ["big", "small", "big"]
    tracks = read_trajectory(tmp_path / "a.gsd")
    assert (tracks.n_frames, tracks.unit) == (3, "reduced")
    assert tracks.metadata["steps_per_frame"] == 50
    write_gsd(tmp_path / "none.gsd", [10, 8, 0, 0.5, 0, 0], positions, [])
    with pytest.raises(InputError, match=r"none\.gsd holds no frame"):
        read_trajectory(tmp_path / "none.gsd")
    announce_atoms(tmp_path / "many.gsd", 50_000_000)
    for read in (read_trajectory, read_coordinates):
        with pytest.raises(InputError, match="announces 50000000 atoms in frame 0"):
            read(tmp_path / "many.gsd")
    (tmp_path / "b.gsd").write_bytes((tmp_path / "a.gsd").read_bytes()[:200])
    (tmp_path / "c.gsd").write_bytes(b"no such file" * 100)
    for name in ("b.gsd", "c.gsd"):
        for read in (read_coordinates, read_trajectory):
            with pytest.raises(InputError, match="cannot be read as GSD") as caught:
                read(tmp_path / name)
            assert name in str(caught.value)


def test_public_lennard_jones_run(public_file):
    pytest.importorskip("gsd.hoomd")
    tracks = read_trajectory(public_file("lj_freud/LJsampletraj.gsd"))
    assert (tracks.n_frames, tracks.n_particles, tracks.unit) == (4, 1000, "reduced")
    assert np.allclose(tracks.cell, 10.772174 * np.eye(3), atol=1e-5)
    assert any("stand still" in note for note in tracks.warnings)  # every step is 0
    atoms = read_coordinates(public_file("lj_freud/LJsampletraj.gsd"), frame=3)
    assert atoms.n / np.linalg.det(atoms.cell) == pytest.approx(0.8, rel=1e-4)


def test_atomai_coordinates_are_rows_columns_classes(tmp_path):
    rows = {0: np.array([[10.0, 4.0, 0], [20.0, 5.0, 1]]), 1: np.array([[11.0, 4.0, 0]])}
    np.savez(tmp_path / "a.npz", **{str(frame): values for frame, values in rows.items()})
    atoms = read_coordinates(tmp_path / "a.npz")
    assert atoms.positions.tolist() == [[4.0, 10.0], [5.0, 20.0]]
    assert atoms.species.tolist() == [0, 1]
    assert atoms.position_covariance is None
    assert any("carry no errors" in note for note in atoms.warnings)
    assert read_coordinates(tmp_path / "a.npz", frame=1).n == 1
    with pytest.raises(InputError, match="one of 0 to 1"):
        read_coordinates(tmp_path / "a.npz", frame=7)
    np.save(tmp_path / "dict.npy", rows)  # what people do: a pickle
    with pytest.raises(InputError, match=r"may run code; save it anew with numpy\.savez"):
        read_coordinates(tmp_path / "dict.npy", columns=("y", "x"))
    np.savez(tmp_path / "other.npz", positions=rows[0])
    with pytest.raises(InputError, match="one array a frame"):
        read_coordinates(tmp_path / "other.npz")


def test_bare_tables_need_names(tmp_path):
    rows = np.array([[10.0, 4.0, 0], [20.0, 5.0, 1]])
    np.save(tmp_path / "a.npy", rows)
    np.savetxt(tmp_path / "a.csv", rows, delimiter=",")
    (tmp_path / "b.csv").write_text("row,column,class\n10,4,0\n20,5,1\n")
    for name in ("a.npy", "a.csv", "b.csv"):
        atoms = read_coordinates(tmp_path / name, columns=("y", "x", "species"), unit="nm")
        assert atoms.positions.tolist() == [[4.0, 10.0], [5.0, 20.0]]
        assert atoms.unit == "nm"
    with pytest.raises(InputError, match=r"3 columns without names; .*columns="):
        read_coordinates(tmp_path / "a.npy")
    with pytest.raises(InputError, match="3 different names"):
        read_coordinates(tmp_path / "a.npy", columns=("x", "y"))
    np.savez(tmp_path / "a.npz", rows)
    with pytest.raises(InputError, match="columns go with a bare table"):
        read_coordinates(tmp_path / "a.npz", columns=("x", "y"))
    with pytest.raises(InputError, match="unit must be one of"):
        read_coordinates(tmp_path / "a.npy", columns=("x", "y", "z"), unit="mile")


def write_atomap(path, pixel_size=1.0):
    """Write what atomap's Atom_Lattice.save writes: a group a sublattice."""
    with h5py.File(path, "w") as file:
        for index, (name, n) in enumerate((("B", 3), ("A", 2))):
            group = file.create_group(f"{name}_sublattice")
            rows = np.arange(2 * n, dtype=float).reshape(n, 2) + 100 * index
            group.create_dataset("atom_positions", data=rows)
            group.create_dataset("sigma_x", data=np.full(n, 2.0))
            group.create_dataset("sigma_y", data=np.full(n, 8.0))
            group.create_dataset("modified_image_data", data=np.zeros((20, 20)))
            group.attrs.update(name=name, pixel_size=pixel_size, sublattice_index=index)
        file.create_dataset("image_data0", data=np.zeros((20, 20)))
        file.attrs["name"] = "a lattice"


def test_atomap_sublattices_become_species(tmp_path):
    write_atomap(tmp_path / "a.hdf5")
    atoms = read_coordinates(tmp_path / "a.hdf5")
    assert atoms.species_names == ("B", "A")
    assert atoms.species.tolist() == [0, 0, 0, 1, 1]
    assert atoms.positions[3].tolist() == [100.0, 101.0]  # x first
    assert np.allclose(atoms.width, 4.0)
    write_atomap(tmp_path / "b.hdf5", pixel_size=0.02)
    noted = read_coordinates(tmp_path / "b.hdf5")
    assert noted.unit == "pixel"
    assert any("without a unit" in note for note in noted.warnings)
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("x", data=np.zeros(3))
    with pytest.raises(InputError, match="no atomap sublattice"):
        read_coordinates(tmp_path / "c.h5")


def test_tracks_of_a_csv(tmp_path, public_file):
    path = tmp_path / "a.csv"
    path.write_text("frame,particle,x,y\n0,0,1,2\n0,1,3,4\n2,0,1,3\n")
    tracks = read_trajectory(path)
    assert (tracks.n_frames, tracks.unit, tracks.time_unit) == (3, "pixel", "frame")
    path.write_text("frame,x,y\n0,1,2\n")
    with pytest.raises(InputError, match="particle missing"):
        read_trajectory(path)
    (tmp_path / "a.abc").write_text("1")
    with pytest.raises(InputError, match="no kind that read_trajectory knows"):
        read_trajectory(tmp_path / "a.abc")
    public = read_trajectory(
        public_file("colloid_bulk_water/tracks_300frames.csv"), frame_interval_s=1 / 24
    )
    assert public.n_frames == 300


@pytest.mark.parametrize("name", ["a.cif", "POSCAR", "a.data", "a.lammpstrj", "a.extxyz"])
def test_damaged_structure_files_get_one_sentence(tmp_path, name):
    pytest.importorskip("ase")
    (tmp_path / name).write_text("this is nothing of the kind\n" * 20)
    with pytest.raises(InputError, match=r"cannot be read as|holds no atoms") as caught:
        read_coordinates(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
