"""CIMGen: repaint the class map of an aerial image and get new pixels where it changed, and nowhere else."""

__version__ = "0.1.0"
