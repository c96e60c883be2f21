"""Packets: what was sent is received, and what was damaged is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.services.packets import HEADER_BYTES, Datagram, PacketError, checksum, packet, unpacked

ADDRESSES = st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.integers(0, 255)).map(
    lambda parts: ".".join(map(str, parts))
)
ENDS = st.tuples(ADDRESSES, st.integers(0, 65535))
DATAGRAMS = st.builds(Datagram, ENDS, ENDS, st.binary(max_size=200))


@given(DATAGRAMS, st.integers(0, 2**16 - 1))
def test_a_datagram_comes_out_as_it_went_in(datagram: Datagram, identification: int) -> None:
    assert unpacked(packet(datagram, identification)) == datagram


def test_the_checksum_is_the_internet_s() -> None:
    """The example of RFC 1071, section 3."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF & ~0xDDF2


def test_a_packet_is_as_on_the_wire() -> None:
    """Header by RFC 791, of which the checksum was worked out by hand."""
    sent = packet(Datagram(("192.168.0.1", 68), ("192.168.0.199", 67), b""), 0)
    assert sent[:20].hex() == "4500001c000000004011" + "f8b8" + "c0a80001" + "c0a800c7"
    assert checksum(sent[:20]) == 0


@given(DATAGRAMS, st.integers(0, 10**6), st.integers(1, 255))
def test_a_damaged_byte_is_found_out(datagram: Datagram, where: int, change: int) -> None:
    data = bytearray(packet(datagram))
    data[where % len(data)] ^= change
    with pytest.raises(PacketError):
        unpacked(bytes(data))


def test_what_is_no_packet_is_refused() -> None:
    for data in (b"", b"x" * HEADER_BYTES, packet(Datagram(("1.2.3.4", 1), ("1.2.3.4", 2), b"abc"))[:-1]):
        with pytest.raises(PacketError):
            unpacked(data)
    with pytest.raises(PacketError, match="no IPv4 address"):
        packet(Datagram(("1.2.3.256", 1), ("1.2.3.4", 2), b""))
    with pytest.raises(PacketError, match="65536 bytes"):
        packet(Datagram(("1.2.3.4", 1), ("1.2.3.4", 2), b"x" * (65536 - HEADER_BYTES)))
