"""Turns other people's records into job histories and posts them, as those who ran the jobs would.

An importer signs with keys that it is given, posts through functions that it is given, and keeps
time by a clock that it sets. It opens no database, takes nothing that is not on its list of
columns, and drops no row without saying so.
"""
