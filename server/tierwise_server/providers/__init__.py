"""Asks models. One port (base.py), one module per provider, and wrappers that are providers themselves."""
