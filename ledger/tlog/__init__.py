"""The ground: RFC 6962 trees and the C2SP formats, as bytes in and bytes out.

Nothing here does I/O, reads a clock, draws randomness or knows a setting: times and seeds are
arguments. Whoever holds a log's public key and these modules can check everything it ever said.
"""
