"""Bulk files: all that the log shows at one tree size, complete or an error.

Made from entries and their projections alone, like everything that the public sees: never from the
table of openings, and without a key. Reads the store and writes nothing but files.
"""

from ledger.exports.export import ExportFailed, ExportRunning, export

__all__ = ["ExportFailed", "ExportRunning", "export"]
