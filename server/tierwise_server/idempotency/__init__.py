"""Runs a request once, however often it is sent: remembers answers by the caller's own request id."""
