"""Questions that the public record itself asks: a function of the entries below a tree size.

Reads entries and nothing else: no opening that the log does not hold, no clock, no table. It gives
no verdict and changes nothing; what a row of evidence means is for people to find out.
"""

from ledger.signals.report import compute, encode

__all__ = ["compute", "encode"]
