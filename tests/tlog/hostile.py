"""Second spellings and worse, for every parser of the C2SP texts."""

from hypothesis import strategies as st

DECIMALS = [
    "",
    "+5",
    "-5",
    "-0",
    "007",
    "00",
    "1_0",
    " 5",
    "5 ",
    "5\r",
    "5.0",
    "5e0",
    "0x5",
    "٣",
    "\uff15",  # FULLWIDTH DIGIT FIVE
    "²",
    "5\x00",
    str(2**63),
    "9" * 5_000,
]
"""What ``int`` may take, and no format has; 2**63 and above is no size."""

HASHES = [
    "",
    "A" * 43,
    "A" * 43 + "==",
    "A" * 42 + "B=",  # nonzero bits after the last byte
    "A" * 42 + "==",
    "A" * 44,
    "A" * 40,
    " " + "A" * 43 + "=",
    "A" * 43 + "=\r",
    "A" * 43 + "=\u2028",
    "A" * 20 + "\t" + "A" * 23 + "=",
    "A" * 42 + "-=",
    "A" * 42 + "_=",
    "A" * 42 + "٣=",
    "A" * 43 + "=A",
    "A" * 10_000_000,
]
"""What ``b64decode`` may take, and is not the one spelling of 32 bytes."""

texts = st.text(st.characters(codec="utf-8"), max_size=60)
names = st.text(
    st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=12
)
"""Key names: no spaces, no control characters; "+" still has to be taken out."""
key_names = names.map(lambda name: name.replace("+", "-"))
sizes = st.integers(0, 2**63 - 1)
hashes = st.binary(min_size=32, max_size=32)
