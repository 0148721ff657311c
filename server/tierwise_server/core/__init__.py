"""Decides. Pure functions and frozen values: no I/O, clock, randomness, asyncio or protobuf."""
