"""Errors that a user can read and act on."""


class CimgenError(Exception):
    """Something the user can mend: `message` says what is wrong and `hint` what to do about it.

    The command line prints both and leaves with code 2; the window shows them in its message bar.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RasterError(CimgenError):
    """A raster cannot be read, is refused by the guard, or cannot be written."""


class MapError(CimgenError):
    """A class map, vector layer or palette does not fit."""


class ProjectError(CimgenError):
    """A project file is damaged, held by another program, or misses its source."""


class ModelError(CimgenError):
    """A model or its card is refused, or the model failed."""


class ExportError(CimgenError):
    """An export, its proof or its replay failed."""


class WorkerError(CimgenError):
    """The worker process died, hung or answered nonsense."""
