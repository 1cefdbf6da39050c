"""Tells whether a model's weights are what they were: digests, mounts, and what each is worth.

Digests are those of OpenSSF Model Signing (``oms``), over the files that it counts (``listing``);
two of them are compared file by file (``digest_file``). ``mounts`` says whether a process could
have written to a folder, ``evidence`` makes of both what a statement carries, and checks it again.
The names of files stay on the machine: nothing here opens a connection or writes to a ledger.
"""
