"""The site's own texts: Markdown beside the templates, the same pages in every language.

``markdown`` turns one text into HTML once, when the process starts; ``library`` holds all of them
and refuses to start where one lacks a translation, a heading or the target of a link; ``terms`` is
the glossary; ``facts`` are the few values of this very ledger that texts may name. Nothing that a
member wrote is ever Markdown here.
"""
