"""Make files that want something from their reader, and read a folder of them under watch.

Run as `python -m tests.raster.hostile FOLDER`: every file of FOLDER is inspected, opened and read; what came of it is
printed as one JSON object a line, with every path and address that Python was asked to open meanwhile.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

CANARY = "CANARY-7f3a"
SHORT, LONG, ASCII, BYTE, LONG8 = 3, 4, 2, 1, 16


def tiff(
    tags: dict[int, tuple[int, list[int] | bytes]] | None = None,
    order: str = "<",
    big: bool = False,
    data: bytes = b"\x07" * 256,
    after: int | Callable[[int], int] = 0,
    head: bytes | None = None,
) -> bytes:
    """A sound 16 x 16 gray image unless told otherwise; `tags` replace or, with kind 0, remove; `after` is the next IFD."""
    at = 16 if big else 8
    entries: dict[int, tuple[int, list[int] | bytes]] = {
        256: (SHORT, [16]), 257: (SHORT, [16]), 258: (SHORT, [8]), 259: (SHORT, [1]), 262: (SHORT, [1]),
        273: (LONG, [at]), 277: (SHORT, [1]), 278: (SHORT, [16]), 279: (LONG, [len(data)]),
    }  # fmt: skip
    entries.update(tags or {})
    entries = {tag: value for tag, value in sorted(entries.items()) if value[0]}
    ifd = at + len(data)
    count, room = ("Q", 8) if big else ("H", 4)
    size = struct.calcsize("=" + count) + len(entries) * (20 if big else 12) + room
    extra, table = b"", b""
    for tag, (kind, values) in entries.items():
        code = {SHORT: "H", LONG: "I", LONG8: "Q"}.get(kind)
        raw = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{code}", *values)
        number = len(raw) if isinstance(values, bytes) else len(values)
        if len(raw) > room:
            where, extra = ifd + size + len(extra), extra + raw
            raw = struct.pack(order + ("Q" if big else "I"), where)
        table += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, number) + raw.ljust(room, b"\0")
    following = after(ifd) if callable(after) else after
    body = struct.pack(order + count, len(entries)) + table + struct.pack(order + ("Q" if big else "I"), following)
    mark = b"II" if order == "<" else b"MM"
    if head is None:
        head = mark + struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0, ifd) if big else (42, ifd)))
    return head + data + body + extra


def metadata(text: str) -> dict[int, tuple[int, list[int] | bytes]]:
    return {42112: (ASCII, text.encode() + b"\0")}


def hostile(folder: Path) -> dict[str, Path]:
    """Write them all; name -> path. `{canary}` in their texts is a file and an address that must not be touched."""
    secret = (folder / f"{CANARY}.tif").absolute()
    secret.write_bytes(tiff())
    url = f"http://127.0.0.1:9/{CANARY}"
    vrt = f'<VRTDataset rasterXSize="16" rasterYSize="16"><VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename>{secret}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>'
    wms = f'<GDAL_WMS><Service name="TMS"><ServerUrl>{url}</ServerUrl></Service></GDAL_WMS>'
    texts = {
        "vrt as tif": vrt, "wms as tif": wms, "wcs as tif": f"<WCS_GDAL><ServiceURL>{url}</ServiceURL></WCS_GDAL>",
        "mrf as tif": "<MRF_META><Raster/></MRF_META>", "plain text": "hello", "empty": "", "json": '{"type": "x"}',
        "netcdf": "CDF\x01", "hdf5": "\x89HDF\r\n\x1a\n", "zip": "PK\x03\x04", "ecw url": f"ecwp://{url}",
        "envi header": "ENVI\nsamples = 16", "aaigrid": "ncols 16\nnrows 16\n", "wkt raster": "PG:dbname=x", "gif": "GIF89a",
        "xml with spaces": "  \n" + vrt, "derived": f"DERIVED_SUBDATASET:LOGAMPLITUDE:{secret}",
    }  # fmt: skip
    big = [0] * 4000
    structures = {
        "directory is its own next": tiff(after=lambda ifd: ifd),
        "next directory outside": tiff(after=10**8), "next directory in the header": tiff(after=2),
        "first directory outside": b"II*\x00" + struct.pack("<I", 10**9),
        "first directory in the header": b"II*\x00" + struct.pack("<I", 4), "no directory": b"II*\x00\0\0\0\0",
        "header alone": b"II*\x00", "cut in the directory": tiff()[:-30], "cut in the pixels": tiff()[:100],
        "no tags": b"II*\x00\x08\0\0\0\0\0\0\0\0\0", "65535 tags": b"II*\x00\x08\0\0\0\xff\xff" + b"\0" * 400,
        "width 0": tiff({256: (SHORT, [0])}), "height 0": tiff({257: (SHORT, [0])}),
        "4 billion wide": tiff({256: (LONG, [2**32 - 1])}), "4 billion high": tiff({257: (LONG, [2**32 - 1])}),
        "a million squared": tiff({256: (LONG, [10**6]), 257: (LONG, [10**6])}),
        "one huge strip": tiff({256: (LONG, [60000]), 257: (LONG, [60000]), 278: (LONG, [60000])}),
        "65535 bands": tiff({277: (SHORT, [65535])}), "no bands": tiff({277: (SHORT, [0])}),
        "7 bits": tiff({258: (SHORT, [7])}), "0 bits": tiff({258: (SHORT, [0])}), "65535 bits": tiff({258: (SHORT, [65535])}),
        "bands of unlike bits": tiff({277: (SHORT, [3]), 258: (SHORT, [8, 16, 32])}),
        "pixels outside the file": tiff({273: (LONG, [10**8])}), "strip longer than the file": tiff({279: (LONG, [2**31])}),
        "no place of strips": tiff({273: (0, [])}), "fewer strips than rows": tiff({278: (SHORT, [1])}),
        "tiles of no width": tiff({322: (SHORT, [0]), 323: (SHORT, [16]), 324: (LONG, [8]), 325: (LONG, [256])}),
        "tiles of no height": tiff({322: (SHORT, [16]), 323: (SHORT, [0]), 324: (LONG, [8]), 325: (LONG, [256])}),
        "tiles of 4 billion": tiff({322: (LONG, [2**32 - 16]), 323: (LONG, [2**32 - 16]), 324: (LONG, [8]), 325: (LONG, [256])}),
        "tiles without places": tiff({322: (SHORT, [16]), 323: (SHORT, [16]), 273: (0, []), 279: (0, [])}),
        "a tag longer than the file": tiff({42112: (ASCII, b"x" * 300)})[:-290], "the same tag twice": tiff() .replace(b"\x01\x01\x03\x00", b"\x00\x01\x03\x00"),
        "count of 2^32": tiff().replace(struct.pack("<HHI", 258, 3, 1), struct.pack("<HHI", 258, 3, 2**32 - 1)),
        "big header with odd sizes": tiff(big=True, head=b"II+\x00\x04\0\0\0" + struct.pack("<Q", 272)),
        "big directory outside": b"II+\x00\x08\0\0\0" + struct.pack("<Q", 2**63),
        "big with 2^60 tags": b"II+\x00\x08\0\0\0" + struct.pack("<Q", 16) + struct.pack("<Q", 2**60),
        "big count of 2^63": tiff(big=True).replace(struct.pack("<HHQ", 258, 3, 1), struct.pack("<HHQ", 258, 3, 2**63)),
        "bytes of the other order": b"MM*\x00" + tiff()[4:], "a thousand strips of nothing": tiff({278: (SHORT, [1]), 257: (LONG, [4000]), 273: (LONG, [10**7] * 4000), 279: (LONG, [9] * 4000)}),
        "small file, huge deflate": tiff({256: (LONG, [200000]), 257: (LONG, [200000]), 259: (SHORT, [8]), 278: (LONG, [50]), 273: (LONG, big), 279: (LONG, big)}),
    }  # fmt: skip
    inside = {
        "overviews redirected": f'<GDALMetadata><Item name="OVERVIEW_FILE" domain="OVERVIEWS">{secret}</Item></GDALMetadata>',
        "overviews redirected to an address": f'<GDALMetadata><Item name="OVERVIEW_FILE" domain="OVERVIEWS">/vsicurl/{url}</Item></GDALMetadata>',
        "address in metadata": f"<GDALMetadata><Item name='x'>{url}</Item></GDALMetadata>",
        "vsi path in metadata": "<GDALMetadata><Item name='x'>/vsizip/etc/x.zip</Item></GDALMetadata>",
        "vrt in metadata": f"<GDALMetadata><Item domain='xml:VRT'>{vrt.replace('<', '&lt;')}</Item></GDALMetadata>",
        "entity in metadata": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><GDALMetadata>&a;</GDALMetadata>',
        "source name in metadata": f"<GDALMetadata><SourceFilename>{secret}</SourceFilename></GDALMetadata>",
    }
    made: dict[str, Path] = {}

    def put(name: str, content: bytes, suffix: str = ".tif") -> Path:
        path = folder / f"{name}{suffix}"
        path.write_bytes(content)
        made[name] = path
        return path

    for name, text in texts.items():
        put(name, text.encode("latin-1"))
    for name, content in structures.items():
        put(name, content)
    for name, text in inside.items():
        put(name, tiff(metadata(text)))
    put("vrt as png", vrt.encode(), ".png")
    put("vrt as jpeg", vrt.encode(), ".jpg")
    sidecars: dict[str, tuple[str, bytes]] = {
        "pam redirects overviews": (".aux.xml", f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{secret}</MDI></Metadata></PAMDataset>'.encode()),
        "pam names an address": (".aux.xml", f"<PAMDataset><Metadata><MDI key='a'>{url}</MDI></Metadata></PAMDataset>".encode()),
        "pam with entities": (".aux.xml", b'<!DOCTYPE p [<!ENTITY a "b">]><PAMDataset/>'),
        "pam of 9 MiB": (".aux.xml", b"<PAMDataset>" + b" " * 9 * 2**20 + b"</PAMDataset>"),
        "overview is a vrt": (".ovr", vrt.encode()), "overview is text": (".ovr", b"hello"),
        "overview in a circle": (".ovr", tiff(after=lambda ifd: ifd)), "mask is a vrt": (".msk", vrt.encode()),
        "mask of huge blocks": (".msk", tiff({256: (LONG, [60000]), 257: (LONG, [60000]), 278: (LONG, [60000])})),
    }  # fmt: skip
    for name, (ending, content) in sidecars.items():
        image = put(name, tiff())
        Path(f"{image}{ending}").write_bytes(content)
    (folder / "a folder.tif").mkdir()
    made["a folder"] = folder / "a folder.tif"
    (folder / "dangling.tif").symlink_to(folder / "nowhere.tif")
    made["a dangling link"] = folder / "dangling.tif"
    sidecar_folder = put("sidecar is a folder", tiff())
    Path(f"{sidecar_folder}.aux.xml").mkdir()
    return made


NAMES = ("/vsicurl/http://127.0.0.1:9/x.tif", "/vsizip/x.zip/x.tif", "/vsimem/x.tif", "/vsistdin/", "http://127.0.0.1:9/x.tif",
         "https://127.0.0.1:9/x.tif", "s3://bucket/x.tif", "GTIFF_DIR:1:x.tif", "NETCDF:x.nc:y", "DERIVED_SUBDATASET:AMPLITUDE:x.tif",
         "<VRTDataset/>", "  <GDAL_WMS/>", "x\ny.tif", "x\x00y.tif", "PG:dbname=x", "WMS:http://127.0.0.1:9", "/dev/zero", "/dev/null", "")  # fmt: skip


def main(folder: Path) -> None:
    from cimgen_qt.core.errors import CimgenError
    from cimgen_qt.core.grid import Window
    from cimgen_qt.raster.rasterio_io import open_raster

    with open_raster(folder / "fine" / "fine.tif") as reader:  # everything lazy is loaded now
        reader.read(Window(0, 0, 4, 4))
    asked: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("open", "os.open"):
            asked.append(str(arguments[0]))
        elif event.startswith(("socket.", "subprocess.", "os.exec", "os.system", "os.posix_spawn", "urllib.")):
            asked.append(f"{event}:{arguments}")

    sys.addaudithook(watch)
    for path in [*sorted(folder.iterdir()), *map(Path, NAMES)]:
        asked.clear()
        began = time.monotonic()
        result: dict[str, object] = {"path": str(path), "hint": "", "refused": True}
        try:
            with open_raster(path) as reader:
                shape = reader.info.grid
                reader.read(Window(0, 0, min(16, shape.height), min(16, shape.width)))
                reader.read_overview(shape.window, 4, 4)
                result["refused"] = False
        except CimgenError as error:
            result |= {"message": error.message, "hint": error.hint}
        result |= {"seconds": time.monotonic() - began, "asked": list(asked)}
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
