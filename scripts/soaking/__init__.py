"""What ``scripts/soak`` is made of: a real ledger, clients that keep receipts, deaths, a judge.

Nothing here is part of the ledger, and nothing of the ledger knows it.
"""
