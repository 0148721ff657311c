"""Broken copies of messages, for tests of what must survive them."""

from __future__ import annotations

import random


def spoiled(message: bytes, chance: random.Random) -> bytes:
    """A broken copy: bits flipped, bytes put in, taken out and doubled, ends cut off."""
    copy = bytearray(message)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(copy)) if copy else 0
        match chance.randrange(6):
            case 0 if copy:
                copy[at] ^= 1 << chance.randrange(8)
            case 1:
                copy[at:at] = chance.randbytes(chance.randint(1, 8))
            case 2:
                del copy[at : at + chance.randint(1, 8)]
            case 3:
                copy[at:at] = copy[at : at + chance.randint(1, 200)]
            case 4:
                copy[at:at] = bytes(copy)
            case _:
                del copy[at:]
        del copy[100_000:]
    return bytes(copy)
