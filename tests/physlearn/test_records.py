"""Records check themselves, keep their own copies, and survive a round trip to the bit."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr

from physlearn.checks import InputError
from physlearn.records import (
    AtomicConfiguration,
    LatticeSnapshots,
    PatchTable,
    SiteGraph,
    Trajectory,
    WallTrack,
    check_video,
)


def full_atoms(n=5):
    rng = np.random.default_rng(3)
    root = rng.normal(size=(n, 2, 2))
    return AtomicConfiguration(
        rng.normal(size=(n, 2)),
        unit="nm",
        species=rng.integers(0, 2, n),
        species_names=("Mo", "V"),
        position_covariance=root @ root.transpose(0, 2, 1),
        width=rng.random(n),
        intensity=rng.normal(size=n),
        intensity_sd=rng.random(n),
        covariance=scipy.sparse.random_array((4 * n, 4 * n), density=0.2, rng=1).tocsc(),
        row_error=(0.1, 3.0),
        species_log_likelihood=np.where(rng.random((n, 2)) < 0.3, -np.inf, 0.0) * [0, 1],
        detection_probability=rng.random(n),
        thickness_columns=1,
        field_of_view=(0.0, 0.0, 9.0, 9.0),
        cell=np.eye(2) * 9,
        pixel_size=(0.017, 0.018),
        metadata={"voltage": "60 kV", "dwell_s": 1e-5, "frames": 3, "averaged": True},
        warnings=("counts unknown", "Ångström is not ASCII"),
    )


def graph():
    return SiteGraph(
        4, [[0, 1], [1, 2], [2, 3], [0, 2]], [0, 0, 0, 1], [1, 2, 1, 1],
        positions=np.arange(8.0).reshape(4, 2), unit="nm", cell=np.eye(2), shell_radii=(1.0, 2.0),
    )  # fmt: skip


def full_snapshots():
    return LatticeSnapshots(
        [[1, -1, 1, 0], [-1, -1, 1, 1]], graph(),
        observed=np.array([[True, True, True, False], [True] * 4]),
        label_log_likelihood=np.linspace(-3, 0, 16).reshape(2, 4, 2),
        state_names=("Mo", "Re"), conditions={"temperature": np.array([300.0, 400.0])},
        times=[0.0, 1.0], metadata={"spacing": 3.16}, warnings=("a",),
    )  # fmt: skip


def full_trajectory():
    return Trajectory(
        [1, 0, 1], [2, 2, 7], [[1.0, 2], [0, 0], [5, 5]], [0.0, 0.04, 0.08], unit="um",
        localization_sd=[0.1, 0.2, 0.3], cell=np.eye(2) * 10, metadata={"a": 1}, warnings=("b",),
    )  # fmt: skip


def circle(frame=0, wall=0, radius=5.0, points=12):
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return pd.DataFrame(
        {
            "frame": frame, "wall": wall, "time": float(frame), "x": radius * np.cos(angle),
            "y": radius * np.sin(angle), "normal_x": np.cos(angle), "normal_y": np.sin(angle),
            "normal_error": 0.1, "error_correlation_length": 1.5, "arc_length": radius * angle,
            "curvature": 1 / radius, "normal_velocity": np.nan,
        }
    )  # fmt: skip


def full_walls():
    return WallTrack(
        pd.concat([circle(0), circle(1, radius=6.0), circle(1, wall=3)]), [0.0, 1.0],
        events=pd.DataFrame({"frame": [1], "wall": [3], "kind": ["birth"]}),
        drive=[0.5, -0.5], drive_unit="V", closed={0: True, 3: False}, metadata={"k": "v"},
        warnings=("no scale",),
    )  # fmt: skip


def full_patches():
    frame = pd.DataFrame({"dopant_fraction": [0.1, 0.2, 0.3], "strain": [0.0, 1e-3, -2e-3]})
    return PatchTable(
        frame, np.arange(6.0).reshape(3, 2), 8.0, unit="nm", units={"strain": "1"},
        tiers={"dopant_fraction": 0, "strain": 1}, measurement_covariance=np.eye(2)[None] * 1e-4,
        error_correlation_length=2.0, overlap=0.25, selection="every patch with 5 sites",
        covariates=pd.DataFrame({"row": [0.0, 0.0, 1.0]}), metadata={"m": 2}, warnings=("w",),
    )  # fmt: skip


MAKERS = (full_atoms, graph, full_snapshots, full_trajectory, full_walls, full_patches)


def assert_same(one, other):
    assert type(one) is type(other)
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        elif isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b, check_exact=True)
        elif scipy.sparse.issparse(a):
            assert (a != b).nnz == 0
        elif dataclasses.is_dataclass(a):
            assert_same(a, b)
        elif field.name == "conditions":
            assert a.keys() == b.keys()
            for key in a:
                np.testing.assert_array_equal(a[key], b[key])
        else:
            assert a == b, field.name


@pytest.mark.parametrize("make", MAKERS)
def test_netcdf_round_trip_is_lossless(make, tmp_path):
    record = make()
    record.save(tmp_path / "record.nc")
    assert_same(record, type(record).load(tmp_path / "record.nc"))
    assert [path.name for path in tmp_path.iterdir()] == ["record.nc"]


@pytest.mark.parametrize("make", MAKERS)
def test_file_of_another_record_is_refused(make, tmp_path):
    record = make()
    record.save(tmp_path / "record.nc")
    other = SiteGraph if type(record) is not SiteGraph else PatchTable
    with pytest.raises(InputError, match=f"must hold a {other.__name__}"):
        other.load(tmp_path / "record.nc")


def test_damaged_and_missing_files_are_refused(tmp_path):
    graph().save(tmp_path / "graph.nc")
    whole = (tmp_path / "graph.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="must be a netCDF file"):
        SiteGraph.load(tmp_path / "cut.nc")
    with pytest.raises(FileNotFoundError, match="no such file"):
        SiteGraph.load(tmp_path / "absent.nc")


def test_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "graph.nc"
    graph().save(path)
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fail)
    with pytest.raises(OSError, match="disk full"):
        graph().save(path)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["graph.nc"]


def test_records_keep_read_only_copies():
    mine = np.zeros((3, 2))
    atoms = AtomicConfiguration(mine)
    mine[:] = 7
    assert atoms.positions.max() == 0
    with pytest.raises(ValueError, match="read-only"):
        atoms.positions[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        atoms.unit = "nm"


def test_atoms_csv_round_trip(tmp_path):
    atoms = full_atoms()
    atoms.to_csv(tmp_path / "atoms.csv")
    back = AtomicConfiguration.from_csv(tmp_path / "atoms.csv")
    assert back.unit == "nm"
    assert back.species_names == ("Mo", "V")
    for name in ("positions", "intensity", "species", "species_log_likelihood"):
        np.testing.assert_array_equal(getattr(back, name), getattr(atoms, name))
    # a variance that went through its square root comes back to the last digit but one
    np.testing.assert_allclose(back.position_covariance, atoms.position_covariance, rtol=1e-14)


def test_atoms_xyz_is_in_angstrom(tmp_path):
    atoms = AtomicConfiguration([[0.1, 0.2]], unit="nm", species=[0], species_names=("Mo",))
    atoms.to_xyz(tmp_path / "a.xyz")
    assert (tmp_path / "a.xyz").read_text().splitlines() == [
        "1", "physlearn; lengths in angstrom", "Mo 1 2 0",
    ]  # fmt: skip


def test_ase_round_trip():
    pytest.importorskip("ase")
    atoms = AtomicConfiguration(
        [[0.0, 0, 0], [1.5, 1.5, 1.5]], unit="angstrom", species=[0, 1],
        species_names=("Nb", "Mo"), cell=np.eye(3) * 3,
    )  # fmt: skip
    back = AtomicConfiguration.from_ase(atoms.to_ase())
    np.testing.assert_array_equal(back.positions, atoms.positions)
    np.testing.assert_array_equal(back.cell, atoms.cell)
    assert back.species_names == ("Nb", "Mo")
    with pytest.raises(InputError, match="unit must be a length"):
        AtomicConfiguration([[0.0, 0.0]]).to_ase()


def test_graph_to_networkx_keeps_shells():
    result = graph().to_networkx()
    assert result.number_of_nodes() == 4
    assert result.edges[1, 2] == {"shell": 0, "multiplicity": 2}
    assert result.nodes[3]["position"] == (6.0, 7.0)


def test_tables_of_pandas():
    assert list(full_snapshots().to_pandas()["state"]) == [1, -1, 1, 0, -1, -1, 1, 1]
    assert full_trajectory().to_pandas()["time"].tolist() == [0.0, 0.04, 0.04]
    patches = full_patches().to_pandas()
    assert patches["strain_sd"].tolist() == [0.01] * 3
    assert full_walls().walls == [0, 3]
    assert full_walls().contour(1, 0)["curvature"].iloc[0] == 1 / 6


def test_errors_follow_their_rows():
    """Rows given in any order: each error must stay with its own particle and patch."""
    particle = np.array([3, 1, 2, 2, 3, 1])
    walk = Trajectory(
        [1, 0, 1, 0, 0, 1], particle, np.zeros((6, 2)), [0.0, 0.04], localization_sd=0.01 * particle
    )
    assert walk.particle.tolist() == [1, 2, 3, 1, 2, 3]
    np.testing.assert_array_equal(walk.localization_sd, 0.01 * walk.particle)
    covariance = np.arange(1.0, 4.0)[:, None, None] * np.array([[2.0, 1.0], [1.0, 2.0]])
    table = dataclasses.replace(full_patches(), measurement_covariance=covariance)
    for rows, kept in (([2, 0], [2, 0]), (np.array([False, True, True]), [1, 2]), ([-1], [2])):
        chosen = table.take(rows)
        np.testing.assert_array_equal(chosen.measurement_covariance, covariance[kept])
        np.testing.assert_array_equal(chosen.centers, table.centers[kept])
        assert chosen.frame["strain"].tolist() == table.frame["strain"].iloc[kept].tolist()
        row = table.covariates["row"].iloc[kept].tolist()
        assert chosen.covariates["row"].tolist() == row
    # one covariance for all stays one
    assert full_patches().take([2, 0]).measurement_covariance.shape == (1, 2, 2)


REFUSED = [
    (lambda: SiteGraph(True, [], [], []), "n_sites must be a whole number .* got True"),
    (lambda: AtomicConfiguration(np.zeros(100)), r"positions must have 2 dimension"),
    (lambda: AtomicConfiguration(np.zeros((3, 4))), r"positions must have shape \(n, 2\)"),
    (lambda: AtomicConfiguration([[0.0, np.nan]]), r"first at index \(0, 1\)"),
    (lambda: AtomicConfiguration([[0.0, 0.0]], unit="furlong"), "unit must be one of angstrom"),
    (lambda: AtomicConfiguration([[0.0, 0.0]], species=[1], species_names=("Mo",)), "every code"),
    (lambda: AtomicConfiguration([[0.0, 0.0]], species=[0.5]), "whole numbers"),
    (lambda: AtomicConfiguration([[0.0, 0.0]], width=[-1.0]), "width must be at least 0"),
    (
        lambda: AtomicConfiguration([[0.0, 0.0]], species_log_likelihood=[[-np.inf, -np.inf]]),
        "at least one possible species",
    ),
    (lambda: SiteGraph(0, [], [], []), "n_sites must be a whole number of at least 1"),
    (lambda: SiteGraph(2, [[1, 1]], [0], [1]), "site 1 to itself"),
    (lambda: SiteGraph(2, [[0, 2]], [0], [1]), "sites below 2; got site 2"),
    (lambda: SiteGraph(2, [[0, 1]], [0], [0]), "multiplicity must be at least 1"),
    (lambda: LatticeSnapshots([[1, 2, 1, 1]], graph()), "first 2 at snapshot 0, site 1"),
    (lambda: LatticeSnapshots([[1, 1, 1]], graph()), r"states must have shape \(n, 4\)"),
    (
        lambda: LatticeSnapshots(
            [[1] * 4], graph(), label_log_likelihood=np.full((1, 4, 2), -np.inf)
        ),
        "snapshot 0, site 0 has none",
    ),
    (lambda: LatticeSnapshots([[1] * 4], graph(), state_values=(1, 1)), "different whole numbers"),
    (lambda: LatticeSnapshots([[1] * 4], graph(), observed=[[1] * 4]), "observed must be true or"),
    (lambda: Trajectory([0, 0], [1, 1], np.zeros((2, 2)), [0.0]), "stands twice in frame 0"),
    (lambda: Trajectory([3], [1], np.zeros((1, 2)), [0.0]), "frame must be below 1"),
    (lambda: Trajectory([0], [1], np.zeros((1, 2)), [0.0, 0.0]), "times must increase"),
    (lambda: WallTrack(circle().drop(columns="x"), [0.0]), "missing x"),
    (lambda: WallTrack(circle(frame=4), [0.0]), "must be below 1"),
    (lambda: PatchTable(pd.DataFrame({"a": [np.nan]}), [[0, 0]], 1.0), "NaN"),
    (lambda: PatchTable(pd.DataFrame({"a": ["x"]}), [[0, 0]], 1.0), "real numbers"),
    (lambda: PatchTable(pd.DataFrame({"a": [1.0]}), [[0, 0]], 0.0), "patch_size must be"),
    (lambda: PatchTable(pd.DataFrame({"a": [1.0]}), [[0, 0]], 1.0, tiers={"b": 0}), "'b' is none"),
    (lambda: PatchTable(pd.DataFrame({"a": [1.0]}), [[0, 0]], 1.0, tiers={"a": 5}), "0, 1 or 2"),
    (lambda: one_patch(tiers={"a": "structure"}), "0, 1 or 2; got 'structure' for 'a'"),
    (lambda: one_patch(tiers={"a": 1.5}), "0, 1 or 2; got 1.5 for 'a'"),
    (lambda: one_patch(tiers=None), "tiers must be a mapping; got NoneType"),
    (lambda: one_patch(tier={"a": 1}), "'tier' is no attribute .* did you mean 'tiers'?"),
    (lambda: PatchTable.from_rows(pd.DataFrame({"a": [1.0]}), tier={}), "did you mean 'tiers'"),
    (lambda: PatchTable.from_rows("table.csv"), "frame must be a pandas DataFrame; got str"),
    (lambda: PatchTable.from_frame({"a": [1.0]}, [[0, 0]], 1.0), "DataFrame; got dict"),
    (lambda: PatchTable.from_frame(pd.DataFrame({"a": [1.0]}), ["x"], 1.0), "centers must hold"),
    (lambda: one_patch(covariates=np.zeros((1, 1))), "covariates must be a pandas DataFrame"),
    (lambda: one_patch(warnings="one"), "warnings must be a tuple of texts"),
    (lambda: one_patch(overlap="half"), "overlap must be at least 0"),
    (lambda: one_patch(error_correlation_length=-1), "error_correlation_length must be"),
    (lambda: one_patch(measurement_covariance=[[[-0.1]]]), "got -0.1 for 'a' in matrix 0"),
]


def one_patch(**options):
    return PatchTable.from_frame(pd.DataFrame({"a": [1.0]}), [[0, 0]], 1.0, **options)


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_bad_input_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


def video(values, **coords):
    return xr.DataArray(values, dims=("time", "y", "x"), coords=coords)


def test_video_gets_its_missing_coordinates():
    values = np.random.default_rng(0).normal(size=(3, 16, 20))
    values[1, 2, 3] = np.nan
    checked = check_video(video(values))
    assert checked.coords["x"].attrs["units"] == "pixel"
    assert checked.dtype == np.float64
    np.testing.assert_array_equal(checked, values)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((3, 16, 16)), "must be an xarray.DataArray"),
        (xr.DataArray(np.zeros((16, 16)), dims=("y", "x")), "dims time, y and x"),
        (video(np.zeros((1, 16, 16))), "at least 2 frames"),
        (video(np.zeros((2, 4, 16))), "at least 16 x 16"),
        (video(np.zeros((2, 16, 16))), "constant"),
        (video(np.full((2, 16, 16), np.inf)), "infinite"),
        (video(np.full((2, 16, 16), np.nan)), "all are NaN"),
        (video(np.eye(16)[None].repeat(2, 0), time=[1.0, 0.0]), "must increase"),
    ],
)
def test_bad_video_is_named(bad, message):
    with pytest.raises(InputError, match=message):
        check_video(bad)


@pytest.mark.parametrize("make", MAKERS)
def test_a_record_prints_in_a_few_short_lines(make):
    text = repr(make())
    assert text.startswith(type(make()).__name__ + "(")
    assert len(text.splitlines()) <= 6
    assert len(text) < 600


@pytest.mark.parametrize(
    "changes",
    [
        {"row_error": (np.nan, 1.0)},
        {"row_error": (0.3, -1.0)},
        {"row_error": (0.3,)},
        {"pixel_size": (0.1, 0.0)},
        {"pixel_size": (np.inf, 1.0)},
    ],
)
def test_numbers_of_the_picture_are_checked(changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        AtomicConfiguration([[0.0, 0.0]], **changes)


def test_a_patch_table_without_covariates_comes_back(tmp_path):
    empty = pd.DataFrame(index=range(3))
    table = PatchTable(
        pd.DataFrame({"a": [1.0, 2.0, 3.0]}), np.zeros((3, 2)), 1.0, covariates=empty
    )
    assert table.covariates is None
    table.save(tmp_path / "table.nc")
    assert PatchTable.load(tmp_path / "table.nc").frame.equals(table.frame)


def test_a_covariance_is_symmetric():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [0.0, 3.0]})
    uneven = [[[1.0, 0.5], [0.0, 1.0]]]
    with pytest.raises(InputError, match=r"symmetric matrices; got 0\.5 and 0 for 'a' and 'b'"):
        PatchTable.from_rows(frame, measurement_covariance=uneven)
    even = np.array([[[1.0, 0.5], [0.5, 1.0]]])
    table = PatchTable.from_rows(frame, measurement_covariance=even)
    assert np.array_equal(table.measurement_covariance, even)


def test_one_source_of_a_derived_column_may_be_a_text():
    frame = pd.DataFrame({"height": [1.0, 2.0], "slope": [0.0, 3.0]})
    table = PatchTable.from_rows(frame, derived={"slope": "height"})
    assert table.derived == {"slope": ("height",)}


@pytest.mark.parametrize("make", MAKERS)
def test_xarray_round_trip_in_memory_is_lossless(make):
    record = make()
    again = type(record).from_xarray(record.to_xarray())
    assert_same(again, record)
    with pytest.raises(InputError, match=f"the dataset must hold a {type(record).__name__}"):
        type(record).from_xarray(record.to_xarray().assign_attrs(physlearn_record="Fit"))


def test_ase_keeps_errors_units_species_and_metadata():
    pytest.importorskip("ase")
    record = full_atoms().with_changes(unit="nm", covariance=None)
    again = AtomicConfiguration.from_ase(record.to_ase().copy())
    for name in ("unit", "species_names", "metadata", "warnings", "pixel_size", "field_of_view"):
        assert getattr(again, name) == getattr(record, name)
    for name in ("positions", "position_covariance", "width", "intensity", "species", "cell"):
        np.testing.assert_allclose(getattr(again, name), getattr(record, name), rtol=1e-12)
    made = record.to_ase()
    made.info["physlearn"] = "{"
    with pytest.raises(InputError, match="must be what to_ase wrote"):
        AtomicConfiguration.from_ase(made)


def test_tables_hold_their_units():
    atoms = AtomicConfiguration([[0.0, 1.0]], "nm")
    assert AtomicConfiguration.from_pandas(atoms.to_pandas()).unit == "nm"
    assert full_trajectory().to_pandas().attrs["time_unit"] == full_trajectory().time_unit
    assert full_patches().to_pandas().attrs["units"] == full_patches().units
