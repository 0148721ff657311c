"""The fault wall: each fault of the catalogue, played many times, and what came of it as a table."""
