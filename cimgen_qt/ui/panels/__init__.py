"""Panels at the side of the window; each takes the workbench and nothing else."""
