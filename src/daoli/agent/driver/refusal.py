"""The one way in which the driver says no: a sentence, which Docker shows to who asked."""


class Refusal(Exception):
    """Docker gets the text as its error."""
