"""hwloc's XML taken apart: elements with their line, objects with their sets of CPUs.

A part of the hwloc reader (hwloc.py). expat reads the text element by element; a document type
declaration may name hwloc's own (`hwloc.dtd`, `hwloc2.dtd`), but must declare nothing, so that no entity can
expand. What the attributes mean is in hwloc's topology-xml.c and hwloc2.dtd.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from skb.readers import DumpError
from skb.readers.cpusets import from_mask

_ROOTS = ("topology", "root")  # root: before hwloc 1.0
_WITH_TEXT = ("indexes", "u64values")
_ENDLESS = re.compile(r"0xf\.\.\.f,?")
_INTEGER = re.compile(r"-?[0-9]{1,20}")


@dataclass(slots=True)
class Element:
    """An XML element: `line` is where its tag starts, `parent` None of the root."""

    tag: str
    attributes: dict[str, str]
    line: int
    parent: Element | None
    file: str
    children: list[Element] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """The element and all below it, in the order of the file."""
        waiting = [self]
        while waiting:
            one = waiting.pop()
            yield one
            waiting.extend(reversed(one.children))

    def named(self, *tags: str) -> Iterator[Element]:
        """The children with one of these tags."""
        return (child for child in self.children if child.tag in tags)

    def error(self, what: str) -> DumpError:
        """The error about this element."""
        return DumpError(f"{self.file}:{self.line}", f"<{self.tag}>: {what}")

    def get(self, attribute: str) -> str | None:
        """The attribute's text; None where it is missing or blank."""
        return self.attributes.get(attribute, "").strip() or None

    def integer(self, attribute: str) -> int | None:
        """The attribute's number; None where it is missing."""
        text = self.get(attribute)
        if text is None:
            return None
        if not _INTEGER.fullmatch(text):
            raise self.error(f"{attribute}={text[:40]!r} is no number")
        return int(text)

    def index(self, attribute: str = "os_index") -> int | None:
        """The attribute's number; None where it is missing or stands for none (-1, also as unsigned)."""
        number = self.integer(attribute)
        return None if number is None or number < 0 or number == 0xFFFFFFFF else number

    def size(self, attribute: str) -> int:
        """The attribute's number, from 0 on; 0 where it is missing."""
        number = self.integer(attribute) or 0
        if number < 0:
            raise self.error(f"{attribute}='{number}' is negative")
        return number

    def cpus(self, attribute: str = "cpuset") -> int | None:
        """The set in the attribute, negative where it is endless (0xf...f); None where it is missing."""
        text = self.get(attribute)
        if text is None:
            return None
        endless = _ENDLESS.match(text)
        rest = text[endless.end() :] if endless else text
        try:
            low = from_mask(rest) if rest else 0
        except ValueError as error:
            raise self.error(f"{attribute}: {error}") from None
        return low | -1 << 32 * (rest.count(",") + 1 if rest else 0) if endless else low

    def infos(self) -> dict[str, str]:
        """The `<info>` children, name to value; of a repeated name the first."""
        found: dict[str, str] = {}
        for info in self.named("info"):
            found.setdefault(info.attributes.get("name", ""), info.attributes.get("value", ""))
        return found

    def integers(self, tag: str) -> list[str]:
        """The blank-separated words in all children of that tag, which hwloc splits a long list over."""
        return "".join(text for child in self.named(tag) for text in [*child.text, " "]).split()


def parse(data: bytes, name: str) -> Element:
    """The root element; DumpError (`name`:line) where the text is no hwloc XML or declares entities."""
    parser = expat.ParserCreate()
    stack: list[Element] = []
    roots: list[Element] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        line = parser.CurrentLineNumber
        if not stack and tag not in _ROOTS:
            raise DumpError(f"{name}:{line}", f"not hwloc's XML: <{tag[:40]}> where <topology> was expected")
        element = Element(tag, attributes, line, stack[-1] if stack else None, name)
        (stack[-1].children if stack else roots).append(element)
        stack.append(element)

    def end(tag: str) -> None:
        stack.pop()

    def text(content: str) -> None:
        if stack and stack[-1].tag in _WITH_TEXT:
            stack[-1].text.append(content)

    def doctype(root: str, system: str | None, public: str | None, internal: bool) -> None:
        if internal:
            where = f"{name}:{parser.CurrentLineNumber}"
            raise DumpError(where, "the document type declares something itself; hwloc's XML never does")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        what = expat.errors.messages.get(error.code, "not well-formed")
        raise DumpError(f"{name}:{error.lineno}:{error.offset + 1}", f"not whole XML: {what}") from None
    except (LookupError, ValueError) as error:
        if isinstance(error, DumpError):
            raise
        raise DumpError(f"{name}:1", f"not XML: {str(error).lower()}") from None
    return roots[0]
