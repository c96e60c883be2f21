"""From the words of an interface file to its tree: one function for each thing there can be, as it is written."""

from __future__ import annotations

from pathlib import Path

from kernel.interfaces.checking import check
from kernel.interfaces.language import (
    Alias,
    Argument,
    Array,
    Enumeration,
    Interface,
    InterfaceError,
    Message,
    Place,
    Struct,
    StructField,
    Type,
)
from kernel.interfaces.lexer import Kind, Token, tokens

MESSAGES = ("message", "call", "response", "rpc")

MOST_FILE_BYTES = 4 << 20
"""32767 messages fit into that, with arguments; a device that never ends does not."""


def read(path: Path) -> Interface:
    """The interface in a file, checked; it has to have the file's name. InterfaceError where that is none."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_FILE_BYTES + 1)
        if len(data) > MOST_FILE_BYTES:
            what = f"more than {MOST_FILE_BYTES} bytes; no interface is so long"
            raise InterfaceError(Place(str(path), 1, 1), what)
        text = data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        what = f"byte {error.start} is no text; an interface is UTF-8"
        raise InterfaceError(Place(str(path), 1, 1), what) from None
    except OSError as error:
        raise InterfaceError(Place(str(path), 1, 1), (error.strerror or str(error)).lower()) from None
    return parse(text, str(path), path.stem)


def parse(text: str, file: str = "interface", name: str | None = None) -> Interface:
    """The interface that `text` states, checked; called `name` if that is given."""
    interface = _Parser(tokens(text, file)).interface()
    check(interface, name)
    return interface


class _Parser:
    def __init__(self, words: list[Token]) -> None:
        self._words = words
        self._at = 0

    @property
    def _next(self) -> Token:
        return self._words[self._at]

    def _take(self) -> Token:
        token = self._next
        self._at += token.kind is not Kind.END
        return token

    def _sees(self, *texts: str) -> bool:
        return self._next.kind in (Kind.NAME, Kind.SIGN) and self._next.text in texts

    def _expect(self, text: str) -> Token:
        if not self._sees(text):
            raise InterfaceError(self._next.place, f"'{text}' expected, not {self._next}")
        return self._take()

    def _one(self, kind: Kind, what: str) -> Token:
        if self._next.kind is not kind:
            raise InterfaceError(self._next.place, f"{what} expected, not {self._next}")
        return self._take()

    def _number(self, what: str) -> int:
        return int(self._one(Kind.NUMBER, what).text)

    def interface(self) -> Interface:
        place = self._expect("interface").place
        name = self._one(Kind.NAME, "the interface's name").text
        description = self._take().text if self._next.kind is Kind.TEXT else ""
        self._expect("{")
        types: list[Type] = []
        messages: list[Message] = []
        while not self._sees("}"):
            if self._sees("typedef", "alias"):
                if messages:
                    raise InterfaceError(self._next.place, "a type after a message; types come first")
                types.append(self._type())
            elif self._sees("@", *MESSAGES):
                messages.append(self._message())
            else:
                known = ", ".join(("typedef", "alias", *MESSAGES))
                raise InterfaceError(self._next.place, f"one of {known} or '}}' expected, not {self._next}")
        self._expect("}")
        self._expect(";")
        if self._next.kind is not Kind.END:
            raise InterfaceError(self._next.place, f"nothing expected after the interface, not {self._next}")
        return Interface(name, description, tuple(types), tuple(messages), place)

    def _type(self) -> Type:
        if self._take().text == "alias":
            name = self._one(Kind.NAME, "the new name")
            of = self._one(Kind.NAME, "a type").text
            self._expect(";")
            return Alias(name.text, of, name.place)
        if self._sees("struct"):
            fields = self._struct()
            name = self._one(Kind.NAME, "the structure's name")
            self._expect(";")
            return Struct(name.text, fields, name.place)
        if self._sees("enum"):
            names = self._enum()
            name = self._one(Kind.NAME, "the enumeration's name")
            self._expect(";")
            return Enumeration(name.text, names, name.place)
        of = self._one(Kind.NAME, "a type, struct or enum").text
        name = self._one(Kind.NAME, "the new name")
        if not self._sees("["):
            self._expect(";")
            return Alias(name.text, of, name.place)
        self._take()
        size = self._number("the number of elements")
        self._expect("]")
        self._expect(";")
        return Array(name.text, of, size, name.place)

    def _struct(self) -> tuple[StructField, ...]:
        self._take()
        self._expect("{")
        fields = []
        while not self._sees("}"):
            of = self._one(Kind.NAME, "the type of a field").text
            name = self._one(Kind.NAME, "the name of a field")
            self._expect(";")
            fields.append(StructField(of, name.text, name.place))
        self._take()
        return tuple(fields)

    def _enum(self) -> tuple[str, ...]:
        self._take()
        self._expect("{")
        names = [self._one(Kind.NAME, "a name").text]
        while self._sees(","):
            self._take()
            names.append(self._one(Kind.NAME, "a name").text)
        self._expect("}")
        return tuple(names)

    def _message(self) -> Message:
        while self._sees("@"):
            self._context()
        if not self._sees(*MESSAGES):
            raise InterfaceError(self._next.place, f"one of {', '.join(MESSAGES)} expected, not {self._next}")
        kind = self._take().text
        name = self._one(Kind.NAME, "the message's name")
        self._expect("(")
        arguments: list[Argument] = []
        while not self._sees(")"):
            if arguments:
                self._expect(",")
            arguments.append(self._argument(kind))
        self._take()
        self._expect(";")
        return Message(kind, name.text, tuple(arguments), name.place)

    def _context(self) -> None:
        """`@name(key=value, ...)`: parameters for a backend that there is none of here; read over."""
        self._take()
        self._one(Kind.NAME, "a backend's name")
        self._expect("(")
        while not self._sees(")"):
            self._one(Kind.NAME, "a parameter's name")
            self._expect("=")
            if self._next.kind not in (Kind.NAME, Kind.NUMBER, Kind.TEXT):
                raise InterfaceError(self._next.place, f"a value expected, not {self._next}")
            self._take()
            if not self._sees(")"):
                self._expect(",")
        self._take()

    def _argument(self, kind: str) -> Argument:
        out = False
        if kind == "rpc":
            if not self._sees("in", "out"):
                raise InterfaceError(self._next.place, f"'in' or 'out' expected in an rpc, not {self._next}")
            out = self._take().text == "out"
        of = self._one(Kind.NAME, "the type of an argument").text
        name = self._one(Kind.NAME, "the name of an argument")
        length, most = "", None
        if self._sees("["):
            self._take()
            if self._next.kind is Kind.NAME:
                length = self._take().text
                if not self._sees(","):
                    raise InterfaceError(self._next.place, f"', MAX]' expected: '{name.text}' has no bound")
                self._take()
            most = self._number("a bound")
            self._expect("]")
        return Argument(of, name.text, length, most, out, name.place)
