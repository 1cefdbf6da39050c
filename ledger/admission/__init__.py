"""The room beside the scheduler: whether a run may start, decided from its receipt alone.

It runs where jobs are started, on hosts that hold no ledger: it reads no database of one, no key
and no setting, and asks nobody. ``receipt`` checks an admission receipt against a witness policy,
``register`` remembers which receipts have started a run, and ``refusal`` is how both say no.
Whatever is in doubt is refused: nothing in this room has a way to let a run through unchecked.
"""
