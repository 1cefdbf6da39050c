"""The shop window: HTML, JSON, feeds and the log's files. Knows no table, no key and no clock."""
