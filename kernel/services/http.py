"""HTTP/1.0 (RFC 1945) as far as a small web server needs it: GET requests, and replies with a length."""

from __future__ import annotations

from dataclasses import dataclass

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 501: "Not Implemented", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply's status and body."""

    status: int
    body: bytes
    kind: str = "text/html"


def wanted(request: bytes) -> str | Reply:
    """What a request asks for, its path; or the reply to one that asks for nothing that there is."""
    head, end, _ = request.partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split(b" ")
    if not end or len(words) != 3 or not words[2].startswith(b"HTTP/1.") or not words[1].startswith(b"/"):
        return Reply(400, b"not a request of HTTP/1")
    if words[0] != b"GET":
        return Reply(501, b"only GET is known")
    try:
        return words[1].decode("ascii")
    except UnicodeDecodeError:
        return Reply(400, b"a path of other than ASCII")


def written(reply: Reply) -> bytes:
    """The bytes of a reply."""
    head = f"HTTP/1.0 {reply.status} {_REASONS[reply.status]}\r\nContent-Type: {reply.kind}\r\n"
    return f"{head}Content-Length: {len(reply.body)}\r\n\r\n".encode() + reply.body


def get(path: str) -> bytes:
    """A request for a path."""
    return f"GET {path} HTTP/1.0\r\nHost: pilotfish\r\n\r\n".encode()


def status(reply: bytes) -> int:
    """The status of a reply, 0 of what is none; also where its body is not as long as it says."""
    head, end, body = reply.partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split(b" ")
    if not end or len(words) < 2 or not words[1].isdigit():
        return 0
    fields = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    length = next((value.strip() for name, _, value in fields if name.lower() == b"content-length"), b"")
    return int(words[1]) if length.isdigit() and int(length) == len(body) else 0
