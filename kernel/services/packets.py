"""IP packets with UDP in them: headers and checksums as RFC 791 and RFC 768 have them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kernel.errors import KernelError

_IP = struct.Struct(">BBHHHBBH4s4s")
_UDP = struct.Struct(">HHHH")
_UDP_PROTOCOL = 17
_TIME_TO_LIVE = 64
HEADER_BYTES = _IP.size + _UDP.size


class PacketError(KernelError):
    """What is no packet, or not as it was sent."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """What UDP carries, from one address and port to another."""

    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes


def checksum(data: bytes) -> int:
    """The Internet checksum: the complement of the ones' complement sum of 16-bit words (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(datagram: Datagram, identification: int = 0) -> bytes:
    """The bytes of a packet. PacketError where it would be too long."""
    length = HEADER_BYTES + len(datagram.payload)
    if length > 0xFFFF:
        raise PacketError(f"a packet of {length} bytes; at most {0xFFFF}")
    source, destination = _address(datagram.source[0]), _address(datagram.destination[0])
    fields = [0x45, 0, length, identification & 0xFFFF, 0, _TIME_TO_LIVE, _UDP_PROTOCOL, 0, source, destination]
    fields[7] = checksum(_IP.pack(*fields))
    udp_length = _UDP.size + len(datagram.payload)
    udp = _UDP.pack(datagram.source[1], datagram.destination[1], udp_length, 0) + datagram.payload
    sum_of_udp = checksum(_pseudo_header(source, destination, udp_length) + udp) or 0xFFFF
    return _IP.pack(*fields) + udp[:6] + sum_of_udp.to_bytes(2, "big") + udp[8:]


def unpacked(data: bytes) -> Datagram:
    """What a packet carries. PacketError where it is none, or damaged."""
    if len(data) < HEADER_BYTES or data[0] != 0x45:
        raise PacketError(f"{len(data)} bytes that are no IPv4 packet without options")
    _, _, length, _, _, _, protocol, _, source, destination = _IP.unpack_from(data)
    if length != len(data) or protocol != _UDP_PROTOCOL or checksum(data[: _IP.size]):
        raise PacketError("a packet with a damaged IP header")
    from_port, to_port, udp_length, sent_sum = _UDP.unpack_from(data, _IP.size)
    udp = data[_IP.size :]
    if udp_length != len(udp) or (sent_sum and checksum(_pseudo_header(source, destination, udp_length) + udp)):
        raise PacketError("a packet with damaged UDP")
    return Datagram((_text(source), from_port), (_text(destination), to_port), udp[_UDP.size :])


def _pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    return source + destination + struct.pack(">BBH", 0, _UDP_PROTOCOL, length)


def _address(text: str) -> bytes:
    parts = text.split(".")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and int(part[:4]) < 256 for part in parts):
        raise PacketError(f"'{text:.40}' is no IPv4 address")
    return bytes(map(int, parts))


def _text(address: bytes) -> str:
    return ".".join(map(str, address))
