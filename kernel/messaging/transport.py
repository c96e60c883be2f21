"""Transports: what one message of each interconnect driver carries (dissertation §2.6, and Barrelfish's stubs).

Stubs (`kernel.interfaces`) cut what is to be sent into such messages, whatever link they then take.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernel.hardware import Hardware

_WORD_BYTES = 8
"""A machine word of x86-64."""

_SCC_WORD_BYTES = 4
"""The SCC's cores are 32-bit Pentiums (dissertation §2.3.2)."""


@dataclass(frozen=True, slots=True)
class Transport:
    """One kind of message: `words` words of payload; where `numbered` it says beside that which message it is.

    A cache-line message has a header word for that. One in registers has not: there the number takes part of
    the payload. `takes_capabilities` says that the CPU driver transfers a capability with the message; else
    monitors do, beside it.
    """

    name: str
    words: int
    word_bytes: int
    numbered: bool
    takes_capabilities: bool = False

    @property
    def payload_bytes(self) -> int:
        """What one message carries."""
        return self.words * self.word_bytes


def lmp(hardware: Hardware) -> Transport:
    """A message in registers: `lmp_payload` words."""
    return Transport("lmp", round(hardware.cost("lmp_payload").value), _WORD_BYTES, False, True)


def ump(hardware: Hardware) -> Transport:
    """A message in a cache line, its last word the header."""
    return _line("ump", hardware, _WORD_BYTES)


def scc(hardware: Hardware) -> Transport:
    """A message in one of the SCC's cache lines."""
    return _line("scc", hardware, _SCC_WORD_BYTES)


def multihop(hardware: Hardware) -> Transport:
    """A message that monitors pass on: what a message between two monitors carries."""
    return _line("multihop", hardware, _WORD_BYTES)


def _line(name: str, hardware: Hardware, word_bytes: int) -> Transport:
    words = round(hardware.cost("cache_line").value) // word_bytes
    return Transport(name, words - 1, word_bytes, True)
