"""The two hash functions by which Envoy spreads requests over endpoints.

Follows   envoy/source/common/common/hash.cc, libstdc++'s hash_bytes.cc (64 bits)
"""

from __future__ import annotations

import xxhash

_MASK = 2**64 - 1
_MURMUR_FACTOR = 0xC6A4A7935BD1E995
_MURMUR_SEED = 0xC70F6907


def xx_hash(text: str, seed: int = 0) -> int:
    """Return xxHash64 of a text's bytes."""
    return xxhash.xxh64_intdigest(text.encode("utf-8", "surrogateescape"), seed)


def murmur_hash(text: str) -> int:
    """Return the 64-bit MurmurHash2 of a text's bytes, as the C++ standard library has it."""
    data = text.encode("utf-8", "surrogateescape")
    whole = len(data) // 8 * 8
    found = _MURMUR_SEED ^ (len(data) * _MURMUR_FACTOR & _MASK)
    for at in range(0, whole, 8):
        word = int.from_bytes(data[at : at + 8], "little")
        mixed = _mix(word * _MURMUR_FACTOR & _MASK) * _MURMUR_FACTOR & _MASK
        found = (found ^ mixed) * _MURMUR_FACTOR & _MASK
    if whole < len(data):
        found = (found ^ int.from_bytes(data[whole:], "little")) * _MURMUR_FACTOR & _MASK
    return _mix(_mix(found) * _MURMUR_FACTOR & _MASK)


def _mix(value: int) -> int:
    return value ^ (value >> 47)
