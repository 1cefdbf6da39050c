"""Two packages that say what they think of a quote, as entry points name them."""


def accepts(quote: bytes) -> None:
    """Take the one quote that the tests have."""
    assert quote == b"a quote"


def refuses(quote: bytes) -> None:
    raise ValueError(f"{len(quote)} bytes that are no quote of mine")
