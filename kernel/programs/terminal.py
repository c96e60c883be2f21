"""terminald, echo, ask: a terminal that programs write to, and two that use it.

The terminal keeps what was written, for the shell's `console` to show, and gives each line that is typed to
whoever has asked for one first.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from kernel.interfaces.compiler import stubs
from kernel.interfaces.stubs import Binding, serve
from kernel.messaging.errors import MessageErrorCode
from kernel.programming import (
    Code,
    Endpoint,
    Environment,
    Fork,
    MessageError,
    Receive,
    YieldThread,
    bind,
    export,
    program,
)

_terminal: Any = stubs("terminal")


@dataclass(slots=True)
class Screen:
    """What programs have written, by line, and what is typed; `keyboard` takes each line as it is."""

    keyboard: Endpoint
    lines: list[str] = field(default_factory=list)
    typed: deque[str] = field(default_factory=deque)  # and that nobody has asked for
    asking: deque[Binding] = field(default_factory=deque)


SCREEN = "screen"
"""Where the terminal's domain keeps its screen, in its memory."""


class _Terminal(_terminal.TerminalHandlers):  # type: ignore[misc]
    def __init__(self, environment: Environment, screen: Screen) -> None:
        self._environment = environment
        self._screen = screen

    def closed(self, binding: Binding) -> None:
        while binding in self._screen.asking:
            self._screen.asking.remove(binding)

    def write(self, binding: Binding, text: str) -> None:
        self._environment.count()
        self._screen.lines.extend(text.splitlines())

    def ask(self, binding: Binding) -> Any:
        self._screen.asking.append(binding)
        if self._screen.typed:
            yield from _give(self._screen, self._screen.typed.popleft())


@program("terminald", "a terminal, which console shows and types into; progress: what was written")
def terminald(environment: Environment) -> Code:
    screen = Screen(Endpoint(environment.hardware.cost_ps("poll", environment.core)))
    service = yield from export(environment, "terminal")
    environment.memory[SCREEN] = screen
    yield Fork(_read_keyboard(screen))
    yield from serve(service, _Terminal(environment, screen))


def _read_keyboard(screen: Screen) -> Code:
    while True:
        line = yield Receive(screen.keyboard)
        assert isinstance(line, str)
        screen.lines.append(f"< {line}")
        yield from _give(screen, line)


def _give(screen: Screen, line: str) -> Code:
    """Send a line to whoever has asked first and is still there; keep it, if nobody is."""
    while screen.asking:
        binding = screen.asking.popleft()
        try:
            yield from binding.transmit("line", {"text": line})
            return
        except MessageError as error:
            if error.code is MessageErrorCode.BUSY:  # the terminal's other thread sends to the same program
                screen.asking.appendleft(binding)
                yield YieldThread()
    screen.typed.append(line)


@program("echo", "write WORDS to the terminal", arguments="[WORD]...")
def echo(environment: Environment) -> Code:
    terminal = _terminal.TerminalClient((yield from bind(environment, "terminal")))
    yield from terminal.write(" ".join(environment.arguments))
    environment.count()


@program(
    "ask", "write a question to the terminal, and the answer in capitals; progress: answers", arguments="[WORD]..."
)
def ask(environment: Environment) -> Code:
    terminal = _terminal.TerminalClient((yield from bind(environment, "terminal")))
    yield from terminal.write(" ".join(environment.arguments) or "what is it?")
    yield from terminal.ask()
    answer = yield from terminal.receive()
    yield from terminal.write(answer.values["text"].upper())
    environment.count()
