"""Turns other people's records into job histories: posted, or drafts that their authors sign.

Traces become the history of a demonstration ledger; schedulers' and evaluation tools' records of
jobs become drafts (``jobs_file`` and what it reads with), and only listed fields of them.
An importer signs with keys that it is given, posts through functions that it is given, and keeps
time by a clock that it sets. It opens no database, takes nothing that is not on its list of
columns or fields, and drops no row without saying so.
"""
