"""How GDAL is allowed to work: few drivers, no network, nothing written beside a source."""

from __future__ import annotations

from typing import Any

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

GDAL_ERRORS = (RasterioError, CPLE_BaseError)
"""What rasterio raises: its own errors, and GDAL's that it hands on as they are."""

OPTIONS: dict[str, Any] = {
    "GDAL_PAM_ENABLED": "YES",  # .aux.xml is read (chips carry their position there); only statistics would write one
    "GDAL_CACHEMAX": 256 * 2**20,
    "GDAL_HTTP_TIMEOUT": 1,
    "GDAL_HTTP_CONNECTTIMEOUT": 1,
    "GDAL_HTTP_MAX_RETRY": 0,
    "GDAL_HTTP_NETRC": "NO",
    "CPL_CURL_ENABLE_VSIMEM": "NO",
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "CPL_VSIL_CURL_USE_HEAD": "NO",
    "AWS_NO_SIGN_REQUEST": "YES",
    "AWS_EC2_METADATA_DISABLED": "true",
    "CPL_GCE_SKIP": "YES",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_VRT_ENABLE_RAWRASTERBAND": "NO",
    "GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE": "ONLY_REMOTE",
    "GTIFF_VIRTUAL_MEM_IO": "NO",
    "GTIFF_DIRECT_IO": "NO",
    "OSR_DEFAULT_AXIS_MAPPING_STRATEGY": "TRADITIONAL_GIS_ORDER",
    "JPEG_LIBTIFF_ALLOW_LARGE_LIBJPEG_MEM_ALLOC": "NO",
    "GDAL_ALLOW_LARGE_LIBJPEG_MEM_ALLOC": "NO",
    "GDAL_JPEG_TO_RGB": "YES",
}

UNUSED = (
    "DERIVED GTI SNAP_TIFF NITF RPFTOC ECRGTOC HFA SAR_CEOS CEOS JAXAPALSAR GFF ELAS ESRIC AIG AAIGrid "
    "GRASSASCIIGrid ISG SDTS DTED JDEM GIF BIGGIF BSB XPM BMP DIMAP AirSAR RS2 SAFE PCIDSK PCRaster ILWIS SGI "
    "SRTMHGT Leveller Terragen netCDF HDF4 HDF4Image HDF5 HDF5Image BAG S102 S104 S111 ISIS3 ISIS2 PDS PDS4 VICAR "
    "TIL ERS JP2OpenJPEG JP2KAK JP2ECW JP2MrSID MrSID ECW L1B FIT GRIB RMF WCS WMS WMTS MSGN MSG RST GSAG GSBG "
    "GS7BG COSAR TSX COASP R MAP KMLSUPEROVERLAY WEBP PDF Rasterlite MBTiles PLMOSAIC CALS SENTINEL2 MRF TileDB PNM "
    "DOQ1 DOQ2 PAux MFF MFF2 GSC FAST BT LAN CPG NDF EIR LCP GTX LOSLAS NTv2 CTable2 ACE2 SNODAS KRO ROI_PAC "
    "RRASTER BYN NOAA_B NSIDCbin RIK USGSDEM GXF KEA BLX ADRG SRP GenBin ENVI EHdr ISCE Zarr HTTP EEDA EEDAI DAAS "
    "STACIT STACTA NGW TGA OGCAPI PRF XYZ ZMap NWT_GRD NWT_GRC IRIS SIGDEM Rasdaman GeoRaster PostGISRaster OZI CTG "
    "DIPEx ESAT AVCE00 SQLite MVT OSM GNMFile GNMDatabase DXF HEIF AVIF LIBERTIFF BASISU KTX2 DDS EXR JPEGXL JPEGLS "
    "NULL NGSGEOID HF2 SAGA Arrow Parquet MEMDATASET"
)
"""Drivers that this program never needs, among them those that lead to other files or to the network. GDAL lets every
driver try an overview or a mask that lies beside a raster, whatever the driver of the raster itself. VRT stays: exports
of the kind "patch" are opened with it, and a warped view would bring it back."""

# The first environment of a process registers the drivers for its whole life: those in UNUSED stay out, unless somebody
# has used rasterio before. It is a second line: the guard does not count on it.
with rasterio.Env(GDAL_SKIP=UNUSED, GDAL_DRIVER_PATH="disable"):
    pass


def restricted() -> rasterio.Env:
    """The environment for every use of GDAL on a file that somebody else made. Use it in `with`."""
    return rasterio.Env(**OPTIONS)
