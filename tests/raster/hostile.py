"""Files that want something from their reader: written by hand, byte for byte, each under a name that says what it does."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

CANARY = "CANARY-7f3a"
OWN, STOLEN = 7, 238
"""What every pixel of a hostile file holds, and every pixel of the file that must not be read through it."""
ASCII, SHORT, LONG, FLOAT, LONG8 = 2, 3, 4, 11, 16
Tags = dict[int, tuple[int, list[int] | list[float] | bytes]]
Files = dict[str, bytes]
"""What lies beside each other: the end of a name -> content. `.tif` and the like come first."""


def tiff(
    tags: Tags | None = None,
    order: str = "<",
    big: bool = False,
    data: bytes = bytes([OWN]) * 256,
    after: int | Callable[[int], int] = 0,
    head: bytes | None = None,
    start: int | None = None,
) -> bytes:
    """A sound 16 x 16 gray image unless told otherwise.

    `tags` replace or, with kind 0, remove; `after` is the next directory; with `start` it is only the part of a file
    that begins there: pixels, directory and values, without a header.
    """
    at = (16 if big else 8) if start is None else start
    entries: Tags = {
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
        code = {SHORT: "H", LONG: "I", LONG8: "Q", FLOAT: "f"}.get(kind)
        raw = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{code}", *values)
        number = len(raw) if isinstance(values, bytes) else len(values)
        if len(raw) > room:
            where, extra = ifd + size + len(extra), extra + raw
            raw = struct.pack(order + ("Q" if big else "I"), where)
        table += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, number) + raw.ljust(room, b"\0")
    following = after(ifd) if callable(after) else after
    body = struct.pack(order + count, len(entries)) + table + struct.pack(order + ("Q" if big else "I"), following)
    if start is not None:
        return data + body + extra
    mark = b"II" if order == "<" else b"MM"
    if head is None:
        head = mark + struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0, ifd) if big else (42, ifd)))
    return head + data + body + extra


def two_pages(second: Tags, below: bool = False) -> bytes:
    """Two images in one file: the second next to the first, or hanging below it."""
    hang: Tags = {330: (LONG, [0])} if below else {}
    where = len(tiff(hang))
    ifd = where + 256
    return tiff({330: (LONG, [ifd])} if below else {}, after=0 if below else ifd) + tiff(second, start=where)


def circle() -> bytes:
    """The second image says that the first comes next."""
    where = len(tiff())
    return tiff(after=where + 256) + tiff(start=where, after=8 + 256)


def pages_that_share(tags: dict[int, int], size: int, pages: int = 1000) -> bytes:
    """`pages` directories whose `tags` (tag -> kind) all have the same `size` bytes as their value."""
    start, length = 8 + size, 2 + 12 * (9 + len(tags)) + 4
    base = {256: 16, 257: 16, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 16, 279: 256}
    entries = {tag: struct.pack("<HHII", tag, LONG, 1, value) for tag, value in base.items()}
    entries |= {tag: struct.pack("<HHII", tag, kind, size, 8) for tag, kind in tags.items()}
    table = struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries))
    places = [*range(start + length, start + length * pages, length), 0]
    return (
        b"II*\x00"
        + struct.pack("<I", start)
        + bytes([OWN]) * size
        + b"".join(table + struct.pack("<I", p) for p in places)
    )


def png(width: int, height: int, interlaced: int = 0, colour: int = 2) -> bytes:
    """One of that size by its header, with nearly nothing in it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, interlaced)
    pixels = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def metadata(text: str, kind: int = ASCII) -> Tags:
    content = text.encode() + b"\0"
    return {42112: (kind, list(content) if kind in (SHORT, LONG) else content)}


def vrt(source: str, size: int = 16) -> str:
    return (
        f'<VRTDataset rasterXSize="{size}" rasterYSize="{size}"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f"<SourceFilename>{source}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )


def half(tags: Tags | None = None) -> bytes:
    """An 8 x 8 overview of the image."""
    size: Tags = {256: (SHORT, [8]), 257: (SHORT, [8]), 278: (SHORT, [8])}
    return tiff(size | (tags or {}), data=bytes([OWN]) * 64)


def disguises(secret: str, url: str) -> dict[str, str]:
    return {
        "vrt as tif": vrt(secret), "wms as tif": f'<GDAL_WMS><Service name="TMS"><ServerUrl>{url}</ServerUrl></Service></GDAL_WMS>',
        "wcs as tif": f"<WCS_GDAL><ServiceURL>{url}</ServiceURL></WCS_GDAL>", "mrf as tif": "<MRF_META><Raster/></MRF_META>",
        "tile index as tif": f"<GDALTileIndexDataset><IndexDataset>{secret}</IndexDataset></GDALTileIndexDataset>",
        "plain text": "hello", "empty": "", "json": '{"type": "x"}', "stac as tif": f'{{"type": "Feature", "assets": {{"a": {{"href": "{url}"}}}}}}',
        "netcdf": "CDF\x01", "hdf5": "\x89HDF\r\n\x1a\n", "zip": "PK\x03\x04", "ecw url": f"ecwp://{url}",
        "envi header": "ENVI\nsamples = 16", "aaigrid": "ncols 16\nnrows 16\n", "database": "PG:dbname=x", "gif": "GIF89a",
        "xml with spaces": "  \n" + vrt(secret), "derived": f"DERIVED_SUBDATASET:LOGAMPLITUDE:{secret}",
    }  # fmt: skip


def structures() -> dict[str, bytes]:
    zeros = [0] * 4000
    tiled: Tags = {273: (0, []), 279: (0, []), 324: (LONG, [8]), 325: (LONG, [256])}
    blob = b"x" * 2**20
    shared = struct.pack("<II", len(blob), 8)
    many = b"".join(struct.pack("<HH", 60000 + n, 1) + shared for n in range(400))
    chain = b"".join(struct.pack("<HHHIII", 1, 256, 3, 1, 16, 8 + 18 * (n + 1)) for n in range(3000))
    return {
        "directory is its own next": tiff(after=lambda ifd: ifd),
        "directories in a circle of two": circle(),
        "directory hangs below itself": tiff({330: (LONG, [264])}),
        "3000 directories": b"II*\x00\x08\0\0\0" + chain,
        "next directory outside": tiff(after=10**8), "next directory in the header": tiff(after=2),
        "directory below outside": tiff({330: (LONG, [10**8])}),
        "first directory outside": b"II*\x00" + struct.pack("<I", 10**9),
        "first directory in the header": b"II*\x00" + struct.pack("<I", 4), "no directory": b"II*\x00\0\0\0\0",
        "header alone": b"II*\x00", "cut in the directory": tiff()[:-30], "cut in the pixels": tiff()[:100],
        "no tags": b"II*\x00\x08\0\0\0\0\0\0\0\0\0", "65535 tags": b"II*\x00\x08\0\0\0\xff\xff" + b"\0" * 400,
        "width 0": tiff({256: (SHORT, [0])}), "height 0": tiff({257: (SHORT, [0])}),
        "width is a number of letters": tiff({256: (ASCII, b"16\0")}), "width is not a number": tiff({256: (FLOAT, [float("nan")])}),
        "width has no value": tiff({256: (SHORT, [])}), "negative height": tiff({257: (8, struct.pack("<h", -16))}),
        "4 billion wide": tiff({256: (LONG, [2**32 - 1])}), "4 billion high": tiff({257: (LONG, [2**32 - 1])}),
        "a million squared": tiff({256: (LONG, [10**6]), 257: (LONG, [10**6])}),
        "one huge strip": tiff({256: (LONG, [60000]), 257: (LONG, [60000]), 278: (LONG, [60000])}),
        "one huge packed strip": tiff({256: (LONG, [30000]), 257: (LONG, [30000]), 259: (SHORT, [8]), 278: (LONG, [30000])}),
        "200 MB in a strip of 256 bytes": tiff({256: (LONG, [14000]), 257: (LONG, [14000]), 259: (LONG, [50000]), 278: (LONG, [14000])}),
        "65535 bands": tiff({277: (SHORT, [65535])}), "no bands": tiff({277: (SHORT, [0])}),
        "33 bits": tiff({258: (SHORT, [33])}), "0 bits": tiff({258: (SHORT, [0])}), "65535 bits": tiff({258: (SHORT, [65535])}),
        "bands of unlike bits": tiff({277: (SHORT, [3]), 258: (SHORT, [8, 16, 32])}),
        "pixels outside the file": tiff({273: (LONG, [10**8])}), "strip longer than the file": tiff({279: (LONG, [2**31])}),
        "no place of strips": tiff({273: (0, [])}), "fewer strips than rows": tiff({278: (SHORT, [1])}),
        "tiles of no width": tiff(tiled | {322: (SHORT, [0]), 323: (SHORT, [16])}),
        "tiles of no height": tiff(tiled | {322: (SHORT, [16]), 323: (SHORT, [0])}),
        "tiles of 4 billion": tiff(tiled | {322: (LONG, [2**32 - 16]), 323: (LONG, [2**32 - 16])}),
        "tiles of 2 GiB": tiff(tiled | {322: (LONG, [46336]), 323: (LONG, [46336])}),
        "tiles without places": tiff({322: (SHORT, [16]), 323: (SHORT, [16]), 273: (0, []), 279: (0, [])}),
        "a tag longer than the file": tiff({42112: (ASCII, b"x" * 300)})[:-290],
        "the same tag twice": tiff().replace(b"\x01\x01\x03\x00", b"\x00\x01\x03\x00"),
        "count of 2^32": tiff().replace(struct.pack("<HHI", 258, 3, 1), struct.pack("<HHI", 258, 3, 2**32 - 1)),
        "400 tags share a mebibyte": b"II*\x00" + struct.pack("<I", 8 + len(blob)) + blob + struct.pack("<H", 400) + many + b"\0\0\0\0",
        "1000 pages share 4 MiB of metadata": pages_that_share({42112: ASCII}, 2**22),
        "1000 pages share 4 MiB of something": pages_that_share({60000: 1}, 2**22),
        "1000 pages share 60 KiB of numbers": pages_that_share({258: 1, 259: 1, 277: 1, 278: 1}, 60_000),
        "metadata of 9 MiB": tiff({42112: (ASCII, b"x" * 9 * 2**20)}), "bits of a million bands": tiff({258: (SHORT, [8] * 10**6)}),
        "5 million strips": tiff({273: (LONG, [8] * 5_000_000)}),
        "big header with odd sizes": tiff(big=True, head=b"II+\x00\x04\0\0\0" + struct.pack("<Q", 272)),
        "big directory outside": b"II+\x00\x08\0\0\0" + struct.pack("<Q", 2**63),
        "big with 2^60 tags": b"II+\x00\x08\0\0\0" + struct.pack("<Q", 16) + struct.pack("<Q", 2**60),
        "big count of 2^63": tiff(big=True).replace(struct.pack("<HHQ", 258, 3, 1), struct.pack("<HHQ", 258, 3, 2**63)),
        "bytes of the other order": b"MM*\x00" + tiff()[4:],
        "a thousand strips of nothing": tiff({278: (SHORT, [1]), 257: (LONG, [4000]), 273: (LONG, [10**7] * 4000), 279: (LONG, [9] * 4000)}),
        "sparse and absurdly large": tiff({256: (LONG, [200000]), 257: (LONG, [200000]), 259: (SHORT, [8]), 278: (LONG, [50]), 273: (LONG, zeros), 279: (LONG, zeros)}),
    }  # fmt: skip


def redirections(secret: str, url: str) -> dict[str, bytes]:
    """TIFFs whose inside asks GDAL to read something else."""
    item = '<GDALMetadata><Item name="{}" domain="OVERVIEWS">{}</Item></GDALMetadata>'
    text = item.format("OVERVIEW_FILE", secret)
    geolocation = '<GDALMetadata><Item name="X_DATASET" domain="GEOLOCATION">{0}</Item><Item name="Y_DATASET" domain="GEOLOCATION">{0}</Item></GDALMetadata>'
    return {
        "overviews redirected": tiff(metadata(text)), "overviews redirected, in bytes": tiff(metadata(text, 1)),
        "overviews redirected, in signed bytes": tiff(metadata(text, 6)), "overviews redirected, undefined": tiff(metadata(text, 7)),
        "overviews redirected, in shorts": tiff(metadata(text, SHORT)), "overviews redirected, in longs": tiff(metadata(text, LONG)),
        "overviews redirected, big": tiff(metadata(text), big=True), "overviews redirected, big-endian": tiff(metadata(text), order=">"),
        "overviews redirected, big-endian shorts": tiff(metadata(text, SHORT), order=">"),
        "overviews redirected, small letters": tiff(metadata(text.replace("OVERVIEW_FILE", "overview_file"))),
        "overviews redirected, escaped": tiff(metadata(item.format("OVERVIEW&#95;FILE", secret))),
        "overviews redirected, escaped in hex": tiff(metadata(item.format("&#x4F;VERVIEW_FILE", secret))),
        "overviews redirected, escaped twice": tiff(metadata(item.format("OVERVIEW&amp;#95;FILE", secret))),
        "overviews redirected after a NUL": tiff(metadata(f"<GDALMetadata/>\0{text}")),
        "overviews redirected for one band": tiff(metadata(text.replace("domain", 'sample="0" domain'))),
        "overviews redirected in the second page": two_pages(metadata(text)),
        "overviews redirected in an overview": two_pages(metadata(text) | {254: (LONG, [1])}),
        "overviews redirected below": two_pages(metadata(text), below=True),
        "overviews redirected to an address": tiff(metadata(item.format("OVERVIEW_FILE", f"/vsicurl/{url}"))),
        "overviews redirected to a base": tiff(metadata(item.format("OVERVIEW_FILE", f":::BASE:::{CANARY}.tif"))),
        "positions in another file": tiff(metadata(geolocation.format(secret))),
        "vsi path in metadata": tiff(metadata("<GDALMetadata><Item name='x'>/vsizip/etc/x.zip</Item></GDALMetadata>")),
        "vrt in metadata": tiff(metadata(f"<GDALMetadata><Item domain='xml:VRT'>{vrt(secret).replace('<', '&lt;')}</Item></GDALMetadata>")),
        "vrt in the description": tiff({270: (ASCII, vrt(secret).encode() + b"\0")}),
        "entity in metadata": tiff(metadata('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><GDALMetadata>&a;</GDALMetadata>')),
        "source name in metadata": tiff(metadata(f"<GDALMetadata><SourceFilename>{secret}</SourceFilename></GDALMetadata>")),
    }  # fmt: skip


def pictures() -> dict[str, Files]:
    """PNGs and JPEGs that say they are huge, and wrecks."""
    frame = b"\xff\xd8\xff\xc0\x00\x0b\x08\xff\xdc\xff\xdc\x01\x01\x11\x00\xff\xda"
    return {
        "png of a million squared": {".png": png(10**6, 10**6)}, "png interlaced and huge": {".png": png(30000, 30000, 1)},
        "png of no width": {".png": png(0, 16)}, "png of an unknown colour": {".png": png(16, 16, colour=5)},
        "png without a header": {".png": b"\x89PNG\r\n\x1a\n"}, "png as tif, huge": {".tif": png(10**6, 10**6)},
        "jpeg of 65500 squared": {".jpg": frame + b"\0" * 100}, "jpeg without a frame": {".jpg": b"\xff\xd8\xff\xe0\x00\x04\0\0\xff\xd9"},
        "jpeg that ends at once": {".jpg": b"\xff\xd8\xff"}, "jpeg of fill bytes": {".jpg": b"\xff\xd8" + b"\xff" * 100_000},
    }  # fmt: skip


def sidecars(secret: str, url: str) -> dict[str, Files]:
    """Sound images with something bad beside them."""
    pam = f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{secret}</MDI></Metadata></PAMDataset>'
    wms = f'<WMS_Tile_Service version="0.1.0"><Service><ServerUrl>{url}</ServerUrl></Service></WMS_Tile_Service>'
    odd: Tags = {259: (SHORT, [12345])}
    bad: dict[str, Files] = {
        "pam redirects overviews": {".aux.xml": pam.encode()}, "pam in capitals": {".AUX.XML": pam.encode()},
        "pam with entities": {".aux.xml": b'<!DOCTYPE p [<!ENTITY a "b">]><PAMDataset/>'},
        "pam escaped": {".aux.xml": pam.replace("OVERVIEW_FILE", "OVERVIEW&#x5f;FILE").encode()},
        "pam of 9 MiB": {".aux.xml": b"<PAMDataset>" + b" " * 9 * 2**20 + b"</PAMDataset>"},
        "pam of the overview": {".ovr": half(), ".ovr.aux.xml": pam.encode()},
        "pam of the mask": {".msk": tiff(), ".msk.aux.xml": pam.encode()},
        "overview is a vrt": {".ovr": vrt(secret, 8).encode()}, "overview is a vrt, letters mixed": {".OvR": vrt(secret, 8).encode()},
        "overview is text": {".ovr": b"hello"}, "overview in a circle": {".ovr": tiff(after=lambda ifd: ifd)},
        "overview redirects": {".ovr": half(metadata(f'<GDALMetadata><Item name="OVERVIEW_FILE" domain="OVERVIEWS">{secret}</Item></GDALMetadata>'))},
        "overview is a tiff and a service": {".ovr": tiff(odd, data=wms.encode().ljust(256))},
        "overview is a tiff and a vrt": {".ovr": tiff(odd, data=vrt(secret).encode().ljust(300))},
        "mask is a vrt": {".msk": vrt(secret).encode()}, "mask is a vrt, letters mixed": {".mSk": vrt(secret).encode()},
        "mask of huge blocks": {".msk": tiff({256: (LONG, [60000]), 257: (LONG, [60000]), 278: (LONG, [60000])})},
        "overview of the mask is a vrt": {".msk": tiff(), ".msk.ovr": vrt(secret, 8).encode()},
        "mask of the overview is a vrt": {".ovr": half(), ".ovr.msk": vrt(secret, 8).encode()},
        "overviews of overviews": {".ovr" * n: half() for n in range(1, 7)},
        "old pyramid elsewhere": {".aux": b"EHFA_HEADER_TAG\0" + b"\0" * 300 + f"{secret}.rrd".encode() + b"\0"},
    }  # fmt: skip
    return {name: {".tif": tiff()} | files for name, files in bad.items()}


def cases(secret: str, url: str) -> dict[str, Files]:
    """Name -> files, of all that can be said in bytes; `write` adds links, pipes and folders."""
    whole: dict[str, str | bytes] = {**disguises(secret, url), **structures(), **redirections(secret, url)}
    found: dict[str, Files] = {
        n: {".tif": c if isinstance(c, bytes) else c.encode("latin-1")} for n, c in whole.items()
    }
    found |= {"vrt as png": {".png": vrt(secret).encode()}, "vrt as jpeg": {".jpg": vrt(secret).encode()}}
    return found | pictures() | sidecars(secret, url) | harmless(url)


def harmless(url: str) -> dict[str, Files]:
    """What looks odd and is right: these are to open, and still nothing else is to be touched."""
    tag = f"<GDALMetadata><Item name='LICENCE'>{url} https://creativecommons.org/</Item></GDALMetadata>"
    arcgis = f'<PAMDataset><Metadata xmlns:xsi="{url}" domain="xml:ESRI"><GeodataXform xmlns:typens="http://www.esri.com/schemas/ArcGIS/10.0"/></Metadata></PAMDataset>'
    return {
        "address in a tag": {".tif": tiff(metadata(tag))}, "address in the pam file": {".tif": tiff(), ".aux.xml": arcgis.encode()},
        "text that is not UTF-8": {".tif": tiff({270: (ASCII, "Größe".encode("latin-1") + b"\0")})},
        "aux file of another program": {".tif": tiff(), ".aux": b"\\relax \n/etc/x.rrd"}, "7 bits": {".tif": tiff({258: (SHORT, [7])})},
        "odd text beside": {".tif": tiff(), ".txt": b"/vsicurl/", ".xml": b"<x/>"},
    }  # fmt: skip


SPECIAL = ("a folder", "a dangling link", "a pipe", "sidecar is a folder", "sidecar is a pipe", "world file is a pipe",
           "overview is a link elsewhere", "pam is a link elsewhere")  # fmt: skip
EITHER = {"cut in the pixels", "fewer strips than rows", "strip longer than the file", "pam in capitals",
          "overviews redirected, escaped twice", "overviews redirected after a NUL"}  # fmt: skip
"""What may also be opened without harm: GDAL itself does not follow, or reads what there is."""


def write(folder: Path, url: str) -> dict[str, Path]:
    """Write them all; name -> path. Beside the folder lie what must not be read: a TIFF, and a folder with one."""
    secret = folder.parent / f"{CANARY}.tif"
    secret.write_bytes(tiff(data=bytes([STOLEN]) * 256))
    made: dict[str, Path] = {}
    for name, files in cases(str(secret), url).items():
        ending, *_ = files
        made[name] = folder / f"{name}{ending}"
        for end, content in files.items():
            path = made[name] if end == ending else Path(f"{made[name]}{end}")
            path.write_bytes(content)
    for name in SPECIAL:
        made[name] = folder / f"{name}.tif"
        if name.startswith(("sidecar", "world", "overview", "pam")):
            made[name].write_bytes(tiff())
    made["a folder"].mkdir()
    made["a dangling link"].symlink_to(folder / "nowhere.tif")
    os.mkfifo(made["a pipe"])
    Path(f"{made['sidecar is a folder']}.aux.xml").mkdir()
    os.mkfifo(f"{made['sidecar is a pipe']}.msk")
    os.mkfifo(made["world file is a pipe"].with_suffix(".tfw"))
    Path(f"{made['overview is a link elsewhere']}.ovr").symlink_to(secret)
    Path(f"{made['pam is a link elsewhere']}.aux.xml").symlink_to(secret)
    return made


NAMES = ("/vsicurl/http://127.0.0.1:9/x.tif", "/vsizip/x.zip/x.tif", "/vsimem/x.tif", "/vsistdin/", "http://127.0.0.1:9/x.tif",
         "https://127.0.0.1:9/x.tif", "s3://bucket/x.tif", "GTIFF_DIR:1:x.tif", "NETCDF:x.nc:y", "DERIVED_SUBDATASET:AMPLITUDE:x.tif",
         "<VRTDataset/>", "  <GDAL_WMS/>", "x\ny.tif", "x\x00y.tif", "PG:dbname=x", "WMS:http://127.0.0.1:9", "/dev/zero", "/dev/null", "")  # fmt: skip
