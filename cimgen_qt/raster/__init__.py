"""Rasters and vectors on disk: what is looked at before GDAL sees it, how it is read, how it is written."""
