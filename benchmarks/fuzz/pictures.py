"""Pictures, films, spectra: the smallest valid file of each kind, and their readers."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz.formats import Format, any_of

__all__ = ["PICTURES"]

N_Y, N_X = 16, 18


def picture(seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(50, 5, size=(N_Y, N_X)).astype(np.float32)


def film() -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.stack([picture(seed) for seed in range(3)])


def read_menu(path: Path) -> None:
    """List, and read every channel in each way there is."""
    from physlearn.checks import BackendUnavailable, InputError
    from physlearn.datasets import list_channels, read_channels, read_image, read_video
    from physlearn.inputs import count_frames, read_spectra

    first: Exception | None = None
    count_frames(path)
    read_spectra(path)
    try:
        menu = list_channels(path)
    except (InputError, BackendUnavailable) as error:
        first, menu = error, None
    calls: list[Callable[[], object]] = [lambda: read_channels(path)]
    kinds = [] if menu is None else menu["kind"].tolist()[:4]
    for number, kind in enumerate(kinds):
        reader = read_image if kind == "picture" else read_video if kind == "film" else None
        calls.append(
            (lambda number=number: read_channels(path, [number])) if reader is None
            else lambda number=number, reader=reader: reader(path, channel=number)
        )  # fmt: skip
    good = 0
    for call in calls:
        try:
            call()
            good += 1
        except (InputError, BackendUnavailable) as error:
            first = first or error
    if not good and first is not None:
        raise first


def read_picture(path: Path) -> None:
    """Read a file as a picture and as a film; one of both is a good answer."""
    from physlearn.datasets import read_image, read_video
    from physlearn.inputs import count_frames, read_input

    count_frames(path)
    any_of(read_image, read_video, read_input)(path)


def _hdf5(folder: Path) -> list[Path]:
    import h5py

    data, paths = picture(), []
    with h5py.File(folder / "nsid.h5", "w") as file:
        group = file.create_group("Measurement_000/Channel_0/Height")
        item = group.create_dataset("Height", data=data.T)
        item.attrs.update(
            quantity="Height", units="m", main_data_name="Height", data_type="IMAGE",
            DIMENSION_LABELS=np.array(["x", "y"], dtype=h5py.string_dtype()),
        )  # fmt: skip
        for place, (axis, n) in enumerate((("x", N_X), ("y", N_Y))):
            scale = group.create_dataset(axis, data=np.arange(n) * 2e-9)
            scale.attrs.update(units="m", name=axis)
            scale.make_scale(axis)
            item.dims[place].attach_scale(scale)
        group.create_group("original_metadata").attrs.update({"Sample Bias": "0.5 V"})
    with h5py.File(folder / "usid.h5", "w") as file:
        group = file.create_group("Measurement_000/Channel_000")
        loops = np.random.default_rng(1).normal(size=(N_Y * N_X, 5))
        item = group.create_dataset("Raw_Data", data=loops)
        item.attrs.update(quantity="Response", units="a.u.")
        columns, rows = np.tile(np.arange(N_X), N_Y), np.repeat(np.arange(N_Y), N_X)
        tables = {
            "Position_Indices": (np.stack([columns, rows], 1), ["X", "Y"], ["um", "um"]),
            "Position_Values": (np.stack([columns, rows], 1) * 0.1, ["X", "Y"], ["um", "um"]),
            "Spectroscopic_Indices": (np.arange(5)[None], ["Bias"], ["V"]),
            "Spectroscopic_Values": (np.linspace(-2, 2, 5)[None], ["Bias"], ["V"]),
        }
        for name, (values, labels, units) in tables.items():
            table = group.create_dataset(name, data=values)
            table.attrs["labels"] = np.array(labels, dtype=h5py.string_dtype())
            table.attrs["units"] = np.array(units, dtype=h5py.string_dtype())
            item.attrs[name] = table.ref
    with h5py.File(folder / "plain.h5", "w") as file:
        file.create_dataset("a/picture", data=data, chunks=(8, 8), compression="gzip")
        file.create_dataset("film", data=film()).attrs["units"] = "V"
    paths += [folder / name for name in ("nsid.h5", "usid.h5", "plain.h5")]
    return paths


def _npz(folder: Path) -> list[Path]:
    np.savez(folder / "a.npz", haadf=picture(), film=film(), dwell_time_us=np.array(4.0))
    np.savez_compressed(folder / "b.npz", height=picture(), label="text")
    return [folder / "a.npz", folder / "b.npz"]


def _netcdf(folder: Path) -> list[Path]:
    import xarray as xr

    data = xr.DataArray(picture(), dims=("y", "x"), name="height", attrs={"units": "nm"})
    data = data.assign_coords(x=("x", np.arange(N_X) * 0.5, {"units": "nm"}))
    data.to_dataset().to_netcdf(folder / "a.nc", engine="h5netcdf")
    data.to_dataset().to_netcdf(folder / "b.nc", engine="scipy")
    return [folder / "a.nc", folder / "b.nc"]


def _zarr(folder: Path) -> list[Path]:
    import zarr

    paths = []
    for version in (2, 3):
        path = folder / f"v{version}.zarr"
        root = zarr.open_group(str(path), mode="w", zarr_format=version)
        item = root.create_array("height", shape=(N_Y, N_X), dtype="f4", chunks=(8, 9))
        item[...] = picture()
        item.attrs["units"] = "nm"
        root.create_array("inner/film", shape=(3, N_Y, N_X), dtype="f4")[...] = film()
        paths.append(path)
    return paths


def signal_of(values: Any) -> dict[str, Any]:
    """Return the dictionary that RosettaSciIO's writers take."""
    axes = [
        {"_type": "UniformDataAxis", "name": name, "scale": 0.02, "offset": 0.0, "units": "nm",
         "size": n, "index_in_array": at, "navigate": False}
        for at, (name, n) in enumerate((("y", N_Y), ("x", N_X)))
    ]  # fmt: skip
    return {
        "data": values, "axes": axes, "original_metadata": {},
        "metadata": {"General": {"title": "HAADF"},
                     "Signal": {"signal_type": "", "quantity": "Intensity (Counts)"}},
        "attributes": {"_lazy": False, "ragged": False}, "learning_results": {}, "models": {},
        "package_info": {"package": "none", "package_version": "0"}, "tmp_parameters": {},
    }  # fmt: skip


def _rsciio(suffix: str, plugin: str) -> Callable[[Path], list[Path]]:
    def build(folder: Path) -> list[Path]:
        from importlib import import_module

        values = picture()
        module = import_module(f"rsciio.{plugin}")
        module.file_writer(str(folder / f"a.{suffix}"), signal_of(values))
        return [folder / f"a.{suffix}"]

    return build


def _mrc(folder: Path) -> list[Path]:
    header = np.zeros(256, "<i4")
    header[:4] = [N_X, N_Y, 1, 2]
    header[7:10] = [N_X, N_Y, 1]
    header[10:13] = np.array([6.4, 4.8, 1.0], "<f4").view("<i4")
    header[13:16] = np.full(3, 90.0, "<f4").view("<i4")
    header[16:19] = [1, 2, 3]
    header[52:54] = np.frombuffer(b"MAP \x44\x44\x00\x00", "<i4")
    (folder / "a.mrc").write_bytes(header.tobytes() + picture().tobytes())
    return [folder / "a.mrc"]


def _dm_tag(name: str, kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + struct.pack(">H", len(name)) + name.encode() + payload


def _dm_data(name: str, code: int, value: bytes) -> bytes:
    return _dm_tag(name, 21, b"%%%%" + struct.pack(">2I", 1, code) + value)


def _dm_group(name: str, tags: list[bytes]) -> bytes:
    return _dm_tag(name, 20, b"\x01\x00" + struct.pack(">I", len(tags)) + b"".join(tags))


def _dm3(folder: Path) -> list[Path]:
    values = picture().astype("<f4").tobytes()
    array = b"%%%%" + struct.pack(">4I", 3, 20, 6, N_Y * N_X) + values
    dimensions = [_dm_data("", 5, struct.pack("<I", n)) for n in (N_X, N_Y)]
    scales = [
        _dm_group("", [
            _dm_data("Origin", 6, struct.pack("<f", 0.0)),
            _dm_data("Scale", 6, struct.pack("<f", 0.02)),
            _dm_tag("Units", 21, b"%%%%" + struct.pack(">4I", 3, 20, 4, 2) + b"n\0m\0"),
        ])
        for _ in range(2)
    ]  # fmt: skip
    data = _dm_group("ImageData", [
        _dm_group("Calibrations", [_dm_group("Dimension", scales)]),
        _dm_tag("Data", 21, array), _dm_data("DataType", 5, struct.pack("<I", 2)),
        _dm_group("Dimensions", dimensions), _dm_data("PixelDepth", 5, struct.pack("<I", 4)),
    ])  # fmt: skip
    image = _dm_group(
        "", [data, _dm_group("ImageTags", [_dm_data("a", 6, struct.pack("<f", 1.0))])]
    )
    root = [_dm_group("ImageList", [image]), _dm_data("InImageMode", 8, b"\x01")]
    body = b"\x00\x00" + struct.pack(">I", len(root)) + b"".join(root)
    content = struct.pack(">3I", 3, len(body), 1) + body + bytes(8)
    (folder / "a.dm3").write_bytes(content)
    return [folder / "a.dm3"]


def _sxm(folder: Path) -> list[Path]:
    sections = {
        "NANONIS_VERSION": "2", "SCANIT_TYPE": "              FLOAT            MSBFIRST",
        "REC_TEMP": "      4.5000000000", "SCAN_PIXELS": f"       {N_X}       {N_Y}",
        "SCAN_TIME": "   3.200E-1   6.400E-1", "SCAN_RANGE": "   6.400E-9   4.800E-9",
        "SCAN_DIR": "up", "BIAS": "   -1.200E-1",
        "DATA_INFO": "\tChannel\tName\tUnit\tDirection\tCalibration\tOffset\n"
                     "\t14\tZ\tm\tboth\t1.0\t0.0\n\t0\tCurrent\tA\tboth\t1.0\t0.0",
    }  # fmt: skip
    head = "".join(f":{name}:\n{text}\n" for name, text in sections.items())
    body = picture().astype(">f4").tobytes() * 4
    (folder / "a.sxm").write_bytes(head.encode() + b"\n:SCANIT_END:\n\n\n\x1a\x04" + body)
    return [folder / "a.sxm"]


def _3ds(folder: Path) -> list[Path]:
    spectra = np.random.default_rng(3).normal(size=(5, 4, 14)).astype(">f4")
    parameters = np.zeros((5, 4, 3), ">f4")
    parameters[..., :2] = (-0.5, 0.5)
    head = (
        'Grid dim="4 x 5"\r\nGrid settings=0.0;0.0;8.0E-9;1.0E-8;0.0\r\nPoints=7\r\n'
        'Sweep Signal="Bias (V)"\r\n# Parameters (4 byte)=3\r\n'
        'Channels="Current (A);LockinX (V)"\r\n:HEADER_END:\r\n'
    )
    body = np.concatenate([parameters, spectra], axis=2).astype(">f4").tobytes()
    (folder / "a.3ds").write_bytes(head.encode() + body)
    return [folder / "a.3ds"]


def _gsf(folder: Path) -> list[Path]:
    head = f"Gwyddion Simple Field 1.0\nXRes = {N_X}\nYRes = {N_Y}\nXReal = 6.4e-9\nYReal = 4.8e-9"
    head += "\nXYUnits = m\nZUnits = A\nTitle = a\n"
    zeros = bytes(4 - len(head) % 4)
    (folder / "a.gsf").write_bytes(head.encode() + zeros + picture().astype("<f4").tobytes())
    return [folder / "a.gsf"]


def _gwy(folder: Path) -> list[Path]:
    from gwyfile.objects import GwyContainer, GwyDataField, GwySIUnit

    field = GwyDataField(
        picture().astype(np.float64), xreal=6.4e-9, yreal=4.8e-9,
        si_unit_xy=GwySIUnit(unitstr="m"), si_unit_z=GwySIUnit(unitstr="A"),
    )  # fmt: skip
    container = GwyContainer()
    container["/0/data"] = field
    container["/0/data/title"] = "Current"
    container["/0/meta"] = GwyContainer({"Bias": "20 mV", "ScanRate": "1.5 Hz"})
    container.tofile(str(folder / "a.gwy"))
    return [folder / "a.gwy"]


def _ibw(folder: Path) -> list[Path]:
    """Write an Igor binary wave of version 5 (WaveMetrics Technical Note 003)."""
    values = np.asarray(picture().T, "<f4")
    size = values.nbytes
    wave = bytearray(320)
    struct.pack_into("<i", wave, 12, values.size)
    struct.pack_into("<h", wave, 16, 2)  # single precision
    wave[28:33] = b"wave0"
    struct.pack_into("<4i", wave, 68, N_X, N_Y, 0, 0)
    struct.pack_into("<4d", wave, 84, 1e-9, 1e-9, 1.0, 1.0)
    wave[148:149], wave[152:153], wave[156:157] = b"V", b"m", b"m"
    note = b"ScanRate: 1.5\rScanDown: 1\r"
    head = bytearray(64)
    struct.pack_into("<hhiiiii", head, 0, 5, 0, 320 + size, 0, len(note), 0, 0)
    total = int(np.frombuffer(bytes(head + wave), "<i2").astype(np.int64).sum()) % 65536
    struct.pack_into("<H", head, 2, (-total) % 65536)
    (folder / "a.ibw").write_bytes(bytes(head + wave) + values.tobytes(order="F") + note)
    return [folder / "a.ibw"]


def _tiff(folder: Path) -> list[Path]:
    import tifffile

    names = [folder / f"{name}.tif" for name in ("plain", "lzw", "film", "ome", "rgb", "tiles")]
    tifffile.imwrite(names[0], picture())
    tifffile.imwrite(names[1], picture().astype(np.uint16), compression="zlib", predictor=True)
    tifffile.imwrite(names[2], film(), imagej=True, resolution=(10.0, 10.0),
                     metadata={"unit": "nm", "finterval": 0.5})  # fmt: skip
    said = {"axes": "TYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1}
    tifffile.imwrite(names[3], film().astype(np.uint8), ome=True, metadata=said)
    tifffile.imwrite(names[4], np.random.default_rng(0).integers(0, 255, (N_Y, N_X, 3), np.uint8),
                     photometric="rgb", compression="jpeg")  # fmt: skip
    tifffile.imwrite(names[5], np.tile(picture(), (2, 2)), tile=(16, 16), compression="lzw")
    return names


def _pil(suffix: str, mode: str = "L") -> Callable[[Path], list[Path]]:
    def build(folder: Path) -> list[Path]:
        from PIL import Image

        rng = np.random.default_rng(0)
        shape = (N_Y, N_X) if mode == "L" else (N_Y, N_X, 3)
        frames = [Image.fromarray(rng.integers(0, 255, shape).astype(np.uint8)) for _ in range(3)]
        frames[0].save(folder / f"a.{suffix}")
        if suffix == "gif":
            frames[0].save(folder / "b.gif", save_all=True, append_images=frames[1:])
            return [folder / "a.gif", folder / "b.gif"]
        return [folder / f"a.{suffix}"]

    return build


def _npy(folder: Path) -> list[Path]:
    np.save(folder / "a.npy", picture())
    np.save(folder / "b.npy", film())
    return [folder / "a.npy", folder / "b.npy"]


def _movie(suffix: str) -> Callable[[Path], list[Path]]:
    def build(folder: Path) -> list[Path]:
        import imageio.v3 as imageio

        codec = "mpeg4" if suffix != "mkv" else "mjpeg"
        frames = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3)).astype(np.uint8)
        imageio.imwrite(folder / f"a.{suffix}", frames, plugin="pyav", codec=codec, fps=5,
                        out_pixel_format="yuvj420p" if codec == "mjpeg" else None)  # fmt: skip
        return [folder / f"a.{suffix}"]

    return build


RSCIIO = (
    ("hspy", "hspy", "hdf5"), ("emd", "emd", "hdf5"), ("nxs", "nexus", "hdf5"),
    ("rpl", "ripple", ""), ("unf", "semper", ""), ("sur", "digitalsurf", ""),
    ("prz", "pantarhei", "zip"),
)  # fmt: skip
PICTURES = (
    Format("tiff", _tiff, read_picture), Format("png", _pil("png"), read_picture),
    Format("jpeg", _pil("jpg", "RGB"), read_picture), Format("bmp", _pil("bmp"), read_picture),
    Format("gif", _pil("gif"), read_picture), Format("npy", _npy, read_picture),
    Format("avi", _movie("avi"), read_picture), Format("mp4", _movie("mp4"), read_picture),
    Format("mkv", _movie("mkv"), read_picture),
    Format("hdf5", _hdf5, read_menu, "hdf5"), Format("npz", _npz, read_menu, "zip"),
    Format("netcdf", _netcdf, read_menu), Format("zarr", _zarr, read_menu),
    Format("sxm", _sxm, read_menu), Format("3ds", _3ds, read_menu),
    Format("gsf", _gsf, read_menu), Format("gwy", _gwy, read_menu), Format("ibw", _ibw, read_menu),
    Format("mrc", _mrc, read_menu), Format("dm3", _dm3, read_menu),
    *(Format(suffix, _rsciio(suffix, plugin), read_menu, how) for suffix, plugin, how in RSCIIO),
)  # fmt: skip
