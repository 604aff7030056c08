"""Files made to do harm: run code, show another file, fill the memory, never end."""

import io
import json
import os
import pickle
import struct
import sys
import zipfile
import zlib

import h5py
import numpy as np
import pytest

from physlearn.checks import BackendUnavailable, InputError
from physlearn.datasets import (
    list_channels,
    read_channels,
    read_coordinates,
    read_image,
    read_scan_points,
    read_structures,
    read_trajectory,
    read_video,
)
from physlearn.inputs import count_frames

SECRET = 42.0
FORBIDDEN = ("subprocess.Popen", "os.system", "socket.connect")
RUNS = ("posix", "nt", "os", "builtins", "subprocess")
"""Modules that pickles of attackers name; libraries read kept code of their own by pickle."""
seen, watching = [], []


def _hook(event, arguments):
    if not watching:
        return
    if event in FORBIDDEN or (event == "pickle.find_class" and arguments[0] in RUNS):
        seen.append((event, str(arguments)[:200]))
    elif event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(watching[0]):
        seen.append((event, arguments[0]))


sys.addaudithook(_hook)


@pytest.fixture
def outside(tmp_path):
    """Return a folder that no file beside it may make anybody look into; it is watched."""
    folder = tmp_path / "outside"
    folder.mkdir()
    np.full((20, 24), SECRET).tofile(folder / "secret.bin")
    with h5py.File(folder / "secret.h5", "w") as file:
        file["s"] = np.full((20, 24), SECRET)
    seen.clear()
    watching.append(str(folder))
    yield folder
    watching.clear()
    assert seen == []


@pytest.fixture
def inside(tmp_path, outside):
    folder = tmp_path / "inside"
    folder.mkdir()
    return folder


@pytest.fixture
def picture():
    return np.random.default_rng(0).normal(size=(20, 24))


class Boom:
    """Would leave a file behind where it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


def array_header(shape, dtype="<f8"):
    stream = io.BytesIO()
    told = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, told)
    return stream.getvalue()


def test_postscript_under_the_name_of_a_picture_starts_no_program(inside):
    text = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\nshowpage\n%%EOF\n"
    for name in ("a.png", "a.jpg", "a.bmp", "a.gif"):
        (inside / name).write_bytes(text)
        for reader in (read_image, read_video):
            with pytest.raises(InputError):
                reader(inside / name)


def test_nothing_is_unpickled(inside, picture):
    made = inside / "made"
    objects = np.empty((20, 24), dtype=object)
    objects[:] = Boom(made)
    np.save(inside / "a.npy", objects, allow_pickle=True)
    with zipfile.ZipFile(inside / "a.npz", "w") as archive:
        archive.writestr("a.npy", array_header((20, 24), "|O") + pickle.dumps(Boom(made)))
        archive.writestr("b.npy", array_header((20, 24)) + picture.tobytes())
    readers = (read_image, read_video, read_coordinates, read_scan_points)
    for path in (inside / "a.npy", inside / "a.npz"):
        for reader in readers:
            try:
                reader(path)
            except InputError:
                continue
            assert path.suffix == ".npz" and reader is read_image  # its other array is a picture
    assert not made.exists()


def zarr_store(folder, chunk, **told):
    (folder / "a").mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    plain = {"zarr_format": 2, "shape": [20, 24], "chunks": [20, 24], "dtype": "<f8", "order": "C",
             "compressor": None, "fill_value": 0, "filters": None}  # fmt: skip
    (folder / "a" / ".zarray").write_text(json.dumps(plain | told))
    if chunk is not None:
        (folder / "a" / "0.0").write_bytes(chunk)
    return folder


def test_zarr_stores_run_nothing_and_lead_nowhere(inside, outside, picture):
    pytest.importorskip("zarr")
    assert read_image(zarr_store(inside / "good.zarr", picture.tobytes())).shape == (20, 24)
    boom = pickle.dumps(Boom(inside / "made"))
    store = zarr_store(inside / "p.zarr", boom, filters=[{"id": "pickle", "protocol": 4}])
    with pytest.raises(InputError, match="pickled Python objects"):
        read_image(store)
    escaped = zarr_store(inside / "e.zarr", boom, filters=[{"id": "QQ"}])
    text = (escaped / "a" / ".zarray").read_text().replace("QQ", r"\u0070ickle")
    (escaped / "a" / ".zarray").write_text(text)
    with pytest.raises(InputError, match="pickled Python objects"):
        read_image(escaped)
    store = zarr_store(inside / "l.zarr", None)
    (store / "a" / "0.0").symlink_to(outside / "secret.bin")
    with pytest.raises(InputError, match="a link to a file outside of it"):
        read_image(store)
    bomb = zlib.compress(bytes(1 << 28), 1)  # 1.2 MB, of which 256 MB would be made
    zipped = {"compressor": {"id": "zlib", "level": 1}}
    with pytest.raises(InputError, match="far longer than it may be"):
        read_image(zarr_store(inside / "b.zarr", bomb, **zipped))
    deep = zarr_store(inside / "d.zarr", None)
    (deep / "a" / ".zarray").write_text("[" * 100_000)
    with pytest.raises(InputError, match="nested too deep"):
        read_image(deep)
    with pytest.raises(InputError, match=r"d\.zarr cannot be read"):
        list_channels(zarr_store(inside / "o" / "d.zarr", None, dtype="|O", fill_value=None))


def hdf5_thief(path, outside, kind):
    """Write a file whose array ``stolen`` stands in another file."""
    with h5py.File(path, "w") as file:
        file["seen"] = np.random.default_rng(0).normal(size=(20, 24))
        if kind == "storage":
            place = [(str(outside / "secret.bin"), 0, 20 * 24 * 8)]
            file.create_dataset("stolen", shape=(20, 24), dtype="f8", external=place)
        elif kind == "virtual":
            layout = h5py.VirtualLayout((20, 24), "f8")
            source = h5py.VirtualSource("../outside/secret.h5", "s", (20, 24))
            layout[:] = source
            file.create_virtual_dataset("stolen", layout)
        else:
            file["deeper/stolen"] = h5py.ExternalLink(str(outside / "secret.h5"), "/s")
    return path


@pytest.mark.parametrize("kind", ["storage", "virtual", "link"])
@pytest.mark.parametrize("suffix", ["h5", "nc", "hspy", "emd", "nxs"])
def test_hdf5_takes_no_values_from_elsewhere(inside, outside, kind, suffix):
    path = hdf5_thief(inside / f"a.{suffix}", outside, kind)
    for reader in (list_channels, read_channels):
        with pytest.raises(InputError, match=r"secret\.(bin|h5), a file outside its folder"):
            reader(path)


@pytest.mark.parametrize("kind", ["storage", "virtual", "link"])
def test_records_and_fits_take_no_values_from_elsewhere(inside, outside, kind):
    from physlearn.records import AtomicConfiguration
    from physlearn.results import Fit

    path = hdf5_thief(inside / "a.nc", outside, kind)
    for loader in (AtomicConfiguration.load, Fit.load):
        with pytest.raises(InputError, match="a file outside its folder"):
            loader(path)


def test_hdf5_may_be_put_together_of_files_beside_it(inside, picture):
    with h5py.File(inside / "part.h5", "w") as file:
        file["s"] = picture
    layout = h5py.VirtualLayout((20, 24), "f8")
    layout[:] = h5py.VirtualSource("part.h5", "s", (20, 24))
    with h5py.File(inside / "whole.h5", "w") as file:
        file.create_virtual_dataset("height", layout)
        file["loop"] = file["/"]  # a group that holds itself
    assert np.array_equal(read_image(inside / "whole.h5"), picture)


def test_hdf5_links_without_an_end_are_refused(inside):
    """libhdf5 would walk for ever on an entry of length 0 in the heap of texts and links."""
    from physlearn.records import AtomicConfiguration

    path = inside / "a.nc"
    AtomicConfiguration(np.eye(3), unit="nm", cell=np.eye(3) * 4).save(path)
    sound = path.read_bytes()
    heap = sound.index(b"GCOL\x01")
    assert AtomicConfiguration.load(path).unit == "nm"
    path.write_bytes(sound[: heap + 16] + bytes(16) + sound[heap + 32 :])
    with pytest.raises(InputError, match=r"a\.nc is damaged"):
        AtomicConfiguration.load(path)


def test_tiff_pages_that_bite_their_tail_end(inside):
    """Pages of different sizes whose last one leads back to the second."""
    import tifffile

    path = inside / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for width in (20, 21, 22):
            file.write(np.full((20, width), SECRET, "f4"), metadata=None)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        starts = [page.offset for page in file.pages]
    (n_tags,) = struct.unpack_from("<H", content, starts[-1])
    struct.pack_into("<I", content, starts[-1] + 2 + 12 * n_tags, starts[1])
    path.write_bytes(content)
    assert count_frames(path) in (2, 3)  # those before the tail
    for reader in (read_image, read_video):
        with pytest.raises(InputError):
            reader(path)


def test_ome_tiff_takes_no_pages_from_other_files(inside, outside, picture):
    import tifffile

    tifffile.imwrite(outside / "secret.ome.tif", np.full((20, 24), SECRET, "f4"), ome=True)
    with tifffile.TiffFile(outside / "secret.ome.tif") as file:
        uuid = file.ome_metadata.split('UUID="')[1].split('"')[0]
    seen.clear()
    own = "urn:uuid:00000000-0000-0000-0000-000000000001"
    parts = "".join(
        f'<TiffData IFD="0" FirstT="{k}" PlaneCount="1"><UUID FileName="{name}">{one}</UUID>'
        "</TiffData>"
        for k, (name, one) in enumerate(
            [("a.ome.tif", own), ("../outside/secret.ome.tif", uuid)]
        )
    )  # fmt: skip
    text = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        f'UUID="{own}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
        'Type="float" SizeX="24" SizeY="20" SizeC="1" SizeZ="1" SizeT="2">'
        f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{parts}</Pixels></Image></OME>'
    )
    path = inside / "a.ome.tif"
    tifffile.imwrite(path, picture.astype("f4"), description=text, metadata=None)
    assert np.array_equal(read_image(path), picture.astype("f4"))
    with pytest.raises(InputError):
        read_video(path)


def test_entities_of_xml_are_neither_unfolded_nor_fetched(inside, outside):
    laughs = '<!DOCTYPE z [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + k)} "{("&" + chr(97 + k) + ";") * 10}">' for k in range(11)
    )  # fmt: skip
    fetch = f'<!DOCTYPE z [<!ENTITY l SYSTEM "file://{outside / "secret.bin"}">'
    pytest.importorskip("ase")
    for head in (laughs, fetch):
        path = inside / "vasprun.xml"
        path.write_text(f'<?xml version="1.0"?>{head}]><modeling><a>&l;</a></modeling>')
        with pytest.raises(InputError):
            read_structures(path)


def test_lists_of_films_are_no_films(inside, outside):
    imageio = pytest.importorskip("imageio.v3")
    pytest.importorskip("av")
    frames = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3)).astype(np.uint8)
    imageio.imwrite(inside / "a.avi", frames, plugin="pyav", codec="mpeg4", fps=5)
    assert read_video(inside / "a.avi").shape == (3, 32, 32)
    (inside / "b.avi").write_text("ffconcat version 1.0\nfile 'a.avi'\n")
    (inside / "b.mp4").write_text("#EXTM3U\n#EXTINF:1.0,\na.avi\n#EXT-X-ENDLIST\n")
    for name in ("b.avi", "b.mp4"):
        with pytest.raises(InputError, match="cannot be read"):
            read_video(inside / name)


def test_archives_that_unpack_to_more_than_the_memory(inside, picture, monkeypatch):
    from physlearn.datasets.reading import picture_frame

    monkeypatch.setattr(picture_frame, "free_memory_bytes", lambda: 10**8)
    bomb = array_header((8_000_000, 3)) + bytes(192_000_000)
    with zipfile.ZipFile(inside / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("0.npy", bomb)
    with pytest.raises(InputError, match="GB are free"):
        read_coordinates(inside / "a.npz")
    with zipfile.ZipFile(inside / "p.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("x", "y", "value"):
            archive.writestr(f"{name}.npy", array_header((16,)) + bytes(128))
        archive.writestr("label.npy", array_header((24_000_000,)) + bytes(192_000_000))
    with pytest.raises(InputError, match="GB are free"):
        read_scan_points(inside / "p.npz")


def test_headers_of_arrays_that_announce_too_much(inside, picture):
    content = array_header((20, 24)) + picture.tobytes()
    with zipfile.ZipFile(inside / "a.npz", "w") as archive:
        archive.writestr("a.npy", content)
        archive.writestr("label.npy", array_header((16,), "<U100000000") + bytes(100))
    assert read_image(inside / "a.npz").shape == (20, 24)  # 6.4 GB of text are left alone
    with zipfile.ZipFile(inside / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        long = struct.pack("<I", 50_000_000)
        archive.writestr("a.npy", b"\x93NUMPY\x02\x00" + long + b" " * 50_000_000)
    with pytest.raises(InputError, match="header of an array is too long"):
        read_image(inside / "b.npz")


def test_a_limit_of_the_process_counts_as_its_memory(monkeypatch):
    resource = pytest.importorskip("resource")
    from physlearn.datasets.reading import picture_frame

    whole = picture_frame.free_memory_bytes()
    limit = (10**6, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda _: limit)
    assert whole > 0
    assert picture_frame.free_memory_bytes() == 0


@pytest.mark.parametrize("text", ["[" * 200_000, "[" + "9" * 5000 + "]", "[1e999]", "[NaN]"])
def test_json_that_python_would_choke_on(inside, picture, text):
    (inside / "a.json").write_text(text)
    with pytest.raises(InputError, match="cannot be read as JSON"):
        read_structures(inside / "a.json")
    np.save(inside / "a.npy", picture)
    with pytest.raises(InputError, match="no usable field of view"):
        read_image(inside / "a.npy")


def test_counts_of_atoms_that_no_file_holds(inside):
    (inside / "a.xyz").write_text("999999999999\n\nA 0 0 0\n")
    (inside / "b.xyz").write_text("-3\n\nA 0 0 0\n")
    head = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n99999999999\nITEM: BOX BOUNDS pp pp pp\n"
    rows = "0 4\n0 4\n0 4\nITEM: ATOMS id type x y z\n1 1 0.5 0.5 0.5\n"
    (inside / "a.dump").write_text(head + rows)
    (inside / "a.csv").write_text("frame,particle,x,y\n999999999999,0,1,1\n")
    for name in ("a.xyz", "b.xyz", "a.dump", "a.csv"):
        with pytest.raises(InputError):
            read_trajectory(inside / name)
    for name in ("a.xyz", "b.xyz", "a.dump"):
        with pytest.raises(InputError):
            read_coordinates(inside / name)


def test_a_name_is_not_a_command_to_the_library(inside):
    pytest.importorskip("ase")
    np.full((20, 24), SECRET).tofile(inside / "a.extxyz")
    frame = '1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3 pbc="T T T"\nNb 0 0 0\n'
    (inside / "a@0.extxyz").write_text(frame)  # ASE alone would open a.extxyz, frame 0
    assert len(read_structures(inside / "a@0.extxyz")) == 1
    assert read_coordinates(inside / "a@0.extxyz").positions.shape == (1, 3)


def test_prz_is_refused_where_its_library_would_unpickle_it(inside, monkeypatch):
    library = pytest.importorskip("rsciio.pantarhei")
    np.savez(inside / "a.npz", data=np.zeros((20, 24)), meta_data=np.array(0))
    path = (inside / "a.npz").rename(inside / "a.prz")

    def old_reader(filename, lazy=False):
        raise AssertionError("must not be called")

    monkeypatch.setattr(library, "file_reader", old_reader)
    with pytest.raises(BackendUnavailable, match="newer RosettaSciIO"):
        list_channels(path)
