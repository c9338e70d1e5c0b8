"""What the lab refuses or fails to do; the blame is in the type."""


class LabError(Exception):
    """Something in the lab did not work: the text is one line that says what."""


class UsageError(LabError):
    """The request cannot be met as it stands (a bad place, a lab that is up already, a missing program)."""
