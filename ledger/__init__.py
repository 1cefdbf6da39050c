"""The APSCI transparency ledger. The storeys and who may import whom are in pyproject.toml."""
