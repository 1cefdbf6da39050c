"""Orders, stores and signs: the one room that makes the log grow."""
