"""Makers of pixels behind one small protocol."""
