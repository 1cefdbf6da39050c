"""What somebody looks for: the filters of an address, what to narrow it to, and what it names."""
