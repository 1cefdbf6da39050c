"""Signed webhooks: tells the operator's receivers what is new in the log, each entry by itself.

Follows Standard Webhooks (https://www.standardwebhooks.com/) in its headers, signatures, secrets
and times of further attempts. Knows neither the reader nor what an event says: both are given. It
never sends to an address that it has not checked, follows no redirect, and looks at nothing that a
receiver answers but its status and ``Retry-After``.
"""
