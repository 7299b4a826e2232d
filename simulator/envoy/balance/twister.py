"""The C++ standard library's Mersenne Twister, which decides where overflowing load goes."""

from __future__ import annotations

from random import Random

_SIZE = 624
_MASK = 0xFFFFFFFF


class Twister:
    """std::mt19937, seeded with one number; Python seeds the same generator otherwise."""

    def __init__(self, seed: int) -> None:
        state = [seed & _MASK]
        for at in range(1, _SIZE):
            before = state[-1]
            state.append((1_812_433_253 * (before ^ (before >> 30)) + at) & _MASK)
        self._generator = Random()
        self._generator.setstate((3, (*state, _SIZE), None))

    def below(self, limit: int) -> int:
        """Return a number from 0 up to `limit` exclusive; each is as likely."""
        share = 2**32 // limit
        while True:
            drawn = self._generator.getrandbits(32) // share
            if drawn < limit:
                return drawn
