"""The command line: one small file for each group of commands; ``ledger.__main__`` runs them.

Commands print results on standard output and everything else on standard error. They raise what is
wrong; turning that into one line and an exit status is the business of ``__main__`` alone.
"""
