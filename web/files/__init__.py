"""Answers that are files: lists and histories as CSV, citations, the sitemap, and their like."""
