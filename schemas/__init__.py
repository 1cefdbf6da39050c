"""The front door: the shapes of what comes in and goes out, as types. No rules, no I/O."""
