"""Vendors' files: written by the libraries' own writers, or byte by byte as their makers say."""

import numpy as np
import pytest

from physlearn.checks import BackendUnavailable, InputError
from physlearn.datasets import list_channels, pixel_times, read_channels, read_image
from physlearn.datasets.reading import file_checks


@pytest.fixture
def picture():
    return np.random.default_rng(0).normal(50, 5, size=(24, 32)).astype(np.float32)


def signal_of(picture):
    """Return the dictionary that RosettaSciIO's writers take."""
    axes = [
        {"_type": "UniformDataAxis", "name": name, "scale": 0.02, "offset": 0.0, "units": "nm",
         "size": n, "index_in_array": at, "navigate": False}
        for at, (name, n) in enumerate((("y", 24), ("x", 32)))
    ]  # fmt: skip
    told = {"beam_energy": 60.0, "beam_current": 0.03, "dwell_time": 1e-5}
    metadata = {
        "General": {"title": "HAADF"}, "Acquisition_instrument": {"TEM": told},
        "Signal": {"signal_type": "", "quantity": "Intensity (Counts)"},
    }  # fmt: skip
    return {
        "data": picture, "axes": axes, "metadata": metadata, "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False}, "learning_results": {}, "models": {},
        "package_info": {"package": "none", "package_version": "0"}, "tmp_parameters": {},
    }  # fmt: skip


@pytest.mark.parametrize("suffix", ["hspy", "emd", "rpl", "nxs", "unf"])
def test_what_rosettasciio_writes_comes_back(tmp_path, picture, suffix):
    names = {"rpl": "ripple", "nxs": "nexus", "unf": "semper"}
    module = pytest.importorskip(f"rsciio.{names.get(suffix, suffix)}")
    path = tmp_path / f"a.{suffix}"
    module.file_writer(str(path), signal_of(picture))
    image = read_image(path)
    assert np.allclose(image, picture)
    assert image.x.attrs["units"] == "nm"
    assert float(image.x[1]) == pytest.approx(0.02)
    if suffix in ("hspy", "nxs"):
        assert image.attrs["units"] == "Counts"
        assert image.attrs["beam_energy_kev"] == 60.0
        assert image.attrs["beam_current_pa"] == pytest.approx(30.0)
        # 30 pA for 10 us on (0.2 angstrom) ** 2
        dose = 30e-12 * 1e-5 / 1.602176634e-19 / 0.04
        assert image.attrs["dose_e_per_angstrom2"] == pytest.approx(dose)
        assert image.attrs["absent"] == ("bias", "temperature")


def mrc_bytes(picture):
    """Return an MRC2014 file: a header of 256 words, then the rows."""
    header = np.zeros(256, "<i4")
    header[:4] = [32, 24, 1, 2]
    header[7:10] = [32, 24, 1]
    header[10:13] = np.array([6.4, 4.8, 1.0], "<f4").view("<i4")  # cell in angstrom
    header[13:16] = np.full(3, 90.0, "<f4").view("<i4")
    header[16:19] = [1, 2, 3]
    header[52:54] = np.frombuffer(b"MAP \x44\x44\x00\x00", "<i4")
    return header.tobytes() + picture.tobytes()


def test_mrc_and_its_truncation(tmp_path, picture):
    pytest.importorskip("rsciio.mrc")
    (tmp_path / "a.mrc").write_bytes(mrc_bytes(picture))
    image = read_image(tmp_path / "a.mrc")
    assert np.array_equal(image, picture)
    assert float(image.x[1]) == pytest.approx(0.02)  # nm
    (tmp_path / "b.mrc").write_bytes(mrc_bytes(picture)[:2000])
    with pytest.raises(InputError, match=r"b\.mrc cannot be read as MRC"):
        read_image(tmp_path / "b.mrc")
    damaged = bytearray(mrc_bytes(picture))
    damaged[11] = 0x70  # almost two thousand million sections
    (tmp_path / "c.mrc").write_bytes(damaged)
    with pytest.raises(InputError, match=r"c\.mrc"):
        read_image(tmp_path / "c.mrc")


def sxm_bytes(planes, *, up=False, both=True, n_x=32, n_y=24):
    """Return a Nanonis scan; rows in the order in which they were taken."""
    way = "both" if both else "forward"
    sections = {
        "NANONIS_VERSION": "2", "SCANIT_TYPE": "              FLOAT            MSBFIRST",
        "REC_TEMP": "      4.5000000000", "ACQ_TIME": "       23.0",
        "SCAN_OFFSET": "   0.0E+0   0.0E+0", "SCAN_PIXELS": f"       {n_x}       {n_y}",
        "SCAN_TIME": "   3.200E-1   6.400E-1", "SCAN_RANGE": "   6.400E-9   4.800E-9",
        "SCAN_DIR": "up" if up else "down", "BIAS": "   -1.200E-1",
        "COMMENT": "HOPG\nsecond line",
        "DATA_INFO": "\tChannel\tName\tUnit\tDirection\tCalibration\tOffset\n"
                     f"\t14\tZ\tm\t{way}\t1.0\t0.0\n\t0\tCurrent\tA\t{way}\t1.0\t0.0",
    }  # fmt: skip
    head = "".join(f":{name}:\n{text}\n" for name, text in sections.items())
    body = b"".join(np.asarray(plane, ">f4").tobytes() for plane in planes)
    return head.encode() + b"\n:SCANIT_END:\n\n\n\x1a\x04" + body


def test_nanonis_scan_with_both_directions(tmp_path, picture):
    planes = [picture, picture[:, ::-1] + 1, picture * 2, picture[:, ::-1] * 3]
    (tmp_path / "a.sxm").write_bytes(sxm_bytes(planes))
    menu = list_channels(tmp_path / "a.sxm")
    assert menu["name"].tolist() == [
        "Z forward", "Z backward", "Current forward", "Current backward"
    ]  # fmt: skip
    assert menu["unit"].tolist() == ["m", "m", "A", "A"]
    scan = read_channels(tmp_path / "a.sxm")
    assert np.allclose(scan["Z forward"], picture)
    assert np.allclose(scan["Z backward"], picture + 1)
    assert np.allclose(scan["Current backward"], picture * 3)
    assert float(scan.x[1]) == pytest.approx(0.2)
    said = scan["Z forward"].attrs
    assert (said["bias_v"], said["temperature_k"]) == (-0.12, 4.5)
    assert said["dwell_time_s"] == pytest.approx(0.01)
    assert said["line_time_s"] == pytest.approx(0.96)
    assert said["absent"] == ("dose",)
    times = pixel_times(scan["Z forward"])
    assert float(times[1, 0]) == pytest.approx(0.96)
    back = pixel_times(scan["Z backward"])  # the retrace ends its line, running to the left
    assert float(back[0, 0] - back[0, -1]) == pytest.approx(31 * 0.02)
    assert back.attrs["warnings"] == ()


def test_nanonis_scan_taken_upwards_in_one_direction_and_stopped(tmp_path, picture):
    rows = picture[::-1].copy()
    rows[20:] = np.nan  # the last four rows in time lie at the top
    (tmp_path / "a.sxm").write_bytes(sxm_bytes([rows, rows * 2], up=True, both=False))
    image = read_image(tmp_path / "a.sxm", channel="Z forward")
    assert np.allclose(image, picture[4:])
    assert image.attrs["scan_direction"] == "up"
    assert any("4 of 24 rows hold nothing" in note for note in image.attrs["warnings"])
    assert float(pixel_times(image)[-1, 0]) == 0.0
    whole = (tmp_path / "a.sxm").read_bytes()
    (tmp_path / "b.sxm").write_bytes(whole[:-100])
    with pytest.raises(InputError, match="announces 2 pictures of 24 x 32 pixels and holds 1511"):
        read_image(tmp_path / "b.sxm")


def test_nanonis_grid_of_spectra(tmp_path):
    spectra = np.random.default_rng(3).normal(size=(5, 4, 2, 7)).astype(">f4")
    parameters = np.zeros((5, 4, 3), ">f4")
    parameters[..., :2] = (-0.5, 0.5)
    head = (
        'Grid dim="4 x 5"\r\nGrid settings=0.0;0.0;8.0E-9;1.0E-8;0.0\r\nPoints=7\r\n'
        'Sweep Signal="Bias (V)"\r\n# Parameters (4 byte)=3\r\n'
        'Channels="Current (A);LockinX (V)"\r\n:HEADER_END:\r\n'
    )
    body = np.concatenate([parameters, spectra.reshape(5, 4, 14)], axis=2)
    body = body.astype(">f4").tobytes()
    (tmp_path / "a.3ds").write_bytes(head.encode() + body)
    scan = read_channels(tmp_path / "a.3ds")
    assert scan["LockinX"].dims == ("y", "x", "bias")
    assert np.array_equal(scan["LockinX"], spectra[::-1, :, 1])
    assert np.allclose(scan.bias, np.linspace(-0.5, 0.5, 7))
    assert (float(scan.x[1]), float(scan.y[1])) == (pytest.approx(2.0), pytest.approx(2.0))
    (tmp_path / "b.3ds").write_bytes(head.encode() + body[:-8])
    with pytest.raises(InputError, match="announces 20 spectra and holds 19"):
        read_channels(tmp_path / "b.3ds")


def test_gwyddion_simple_field(tmp_path, picture):
    for title in ("a", "ab", "abc", "abcd"):  # one to four zeros pad the header
        head = "Gwyddion Simple Field 1.0\nXRes = 32\nYRes = 24\nXReal = 6.4e-9\nYReal = 4.8e-9"
        head += f"\nXYUnits = m\nZUnits = A\nTitle = {title}\n"
        zeros = bytes(4 - len(head) % 4)
        path = tmp_path / f"{title}.gsf"
        path.write_bytes(head.encode() + zeros + picture.astype("<f4").tobytes())
        image = read_image(path)
        assert np.array_equal(image, picture)
        assert (image.attrs["channel"], image.attrs["units"]) == (title, "A")
        assert float(image.x[1]) == pytest.approx(0.2)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match="holds 767"):
        read_image(path)


def test_gwyddion_file(tmp_path, picture):
    gwyfile = pytest.importorskip("gwyfile")
    from gwyfile.objects import GwyContainer, GwyDataField, GwySIUnit

    field = GwyDataField(
        picture.astype(np.float64), xreal=6.4e-9, yreal=4.8e-9,
        si_unit_xy=GwySIUnit(unitstr="m"), si_unit_z=GwySIUnit(unitstr="A"),
    )  # fmt: skip
    container = GwyContainer()
    container["/0/data"] = field
    container["/0/data/title"] = "Current"
    container["/0/meta"] = GwyContainer({"Bias": "20 mV"})
    container.tofile(str(tmp_path / "a.gwy"))
    assert gwyfile.load(str(tmp_path / "a.gwy"))
    image = read_image(tmp_path / "a.gwy")
    assert np.allclose(image, picture)
    assert (image.attrs["channel"], image.attrs["units"]) == ("Current", "A")
    assert float(image.x[1]) == pytest.approx(0.2)
    assert image.attrs["bias_v"] == pytest.approx(0.02)
    (tmp_path / "b.gwy").write_bytes((tmp_path / "a.gwy").read_bytes()[:300])
    with pytest.raises(InputError, match="cannot be read as Gwyddion"):
        read_image(tmp_path / "b.gwy")
    (tmp_path / "c.gwy").write_bytes(b"GWYO" + bytes(100))
    with pytest.raises(InputError, match="before version 2"):
        read_image(tmp_path / "c.gwy")


def dm3_bytes(n_fields):
    """Return a Gatan file of one tag: a structure that announces ``n_fields`` and describes one."""
    struct_tag = b"%%%%" + np.array([5, 15, 0, n_fields, 0, 3], ">u4").tobytes() + bytes(4)
    tags = b"\x00\x00" + np.array([1], ">u4").tobytes() + b"\x15\x00\x01a" + struct_tag
    return np.array([3, len(tags), 1], ">u4").tobytes() + tags + bytes(8)


def test_damaged_counts_are_found_before_a_reader_follows_them(tmp_path, public_file):
    from physlearn.datasets.reading.damage_checks import check_dm_tags, check_igor_header

    path = tmp_path / "a.dm3"
    path.write_bytes(dm3_bytes(1))
    check_dm_tags(path)  # whole
    path.write_bytes(dm3_bytes(2**31))
    with pytest.raises(ValueError, match="more fields than it describes"):
        check_dm_tags(path)
    with pytest.raises(InputError, match=r"a\.dm3 cannot be read as DM3 \(a structure announces"):
        read_image(path)
    wave = public_file("pfm_ibw_stripes/IgorIBWReader_P0089OP0027.ibw")
    check_igor_header(wave)
    content = bytearray(wave.read_bytes())
    content[100] ^= 64
    (tmp_path / "a.ibw").write_bytes(content)
    with pytest.raises(InputError, match="checksum of its header is wrong"):
        list_channels(tmp_path / "a.ibw")
    (tmp_path / "b.ibw").write_bytes(wave.read_bytes()[:100000])
    with pytest.raises(InputError, match="cannot be read as IBW"):
        list_channels(tmp_path / "b.ibw")


def test_missing_libraries_are_named_with_their_package(tmp_path, monkeypatch):
    def absent(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(file_checks, "import_module", absent)
    for name, library, package in (
        ("a.mrc", "rsciio", "rosettasciio"), ("a.ibw", "igor2", "igor2"),
        ("a.gwy", "gwyfile", "gwyfile"), ("a.mdt", "SciFiReaders", "scifireaders"),
        ("a.sm4", "spym", "spym"), ("a.Z_mtrx", "access2thematrix", "access2thematrix"),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(b"some content")
        with pytest.raises(
            BackendUnavailable, match=rf"needs {library} .*python -m pip install {package}`"
        ):
            list_channels(tmp_path / name)


def test_public_asylum_file_is_read_with_units(public_file):
    pytest.importorskip("igor2")
    path = public_file("pfm_ibw_stripes/IgorIBWReader_P0089OP0027.ibw")
    menu = list_channels(path)
    assert menu["name"].tolist() == [
        "HeightRetrace", "AmplitudeRetrace", "DeflectionRetrace", "PhaseRetrace", "UserIn0Retrace"
    ]  # fmt: skip
    assert menu["unit"].tolist() == ["m", "m", "m", "deg", "V"]
    scan = read_channels(path)
    assert scan["HeightRetrace"].shape == (256, 256)
    assert scan.x.attrs["units"] == "nm"
    assert float(scan.x[-1]) == pytest.approx(2000.0)
    said = scan["PhaseRetrace"].attrs
    assert said["line_time_s"] == pytest.approx(1 / 1.0016)
    assert said["frame_time_s"] == pytest.approx(255.59)  # 256 lines at that rate
    assert said["absent"] == ("dose", "bias", "temperature")
    assert any("taken to be in deg" in note for note in said["warnings"])
    times = pixel_times(scan["PhaseRetrace"])
    assert float(times.max()) == pytest.approx(255.59, rel=5e-3)
    assert float(times[-1, 0]) < float(times[0, 0])  # scanned upwards
