"""What scripts/bench measures, one module a subject; none of it is part of the ledger."""
