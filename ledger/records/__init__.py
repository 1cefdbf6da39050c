"""What is said about a job: statements, commitments, entries, deadlines, the charter.

Pure: no input or output, no clock, no randomness, no settings. What a function needs to know of the
world is an argument.
"""
