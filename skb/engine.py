"""The one crossing into SWI-Prolog, and the one module that imports PySwip.

Text in, one deterministic predicate (`bridge:cross/7`), JSON text out: what PySwip's own interface makes
slow, lossy or unsafe never comes into play (no generators, no term handles kept, no callbacks). A
question has a limit on inferences, which makes its end deterministic, a limit on time as a backstop, and can
be interrupted with Ctrl-C; after any of these the engine goes on.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from skb.facts import Compound, Fact, Term, Text, to_prolog, to_prolog_list

RULES = Path(__file__).parent.parent / "rules"

INFERENCES = 20_000_000
"""What a question may take, about a third of a second; the limit is exact, so its end is deterministic."""

SECONDS = 30.0
"""The backstop for what inferences do not count, such as one enormous multiplication."""

_ABORT_EVERY_S = 0.05
_CATCH_EXCEPTION = 8  # PL_Q_CATCH_EXCEPTION alone: with PL_Q_NODEBUG errors would lose their place


class SkbError(Exception):
    """Whatever the knowledge base refuses or cannot do; `str(error)` is one line for the user."""


class SkbUnavailable(SkbError):
    """SWI-Prolog or PySwip is not there."""


class RuleError(SkbError):
    """A goal or rule raised an error: `kind` is the error's functor (`syntax`, `existence`, `type_error`...)."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(" ".join(text.split()))
        self.kind = kind


class LimitExceeded(RuleError):
    """A goal was stopped by its limit."""


class RulesRejected(SkbError):
    """A file of rules with errors in it: nothing was loaded. `notes` says all that is wrong with it."""

    def __init__(self, path: Path, notes: Sequence[Note]) -> None:
        errors = sum(note.severity == "error" for note in notes)
        super().__init__(f"{path}: {errors} error{'s' if errors > 1 else ''}; nothing was loaded")
        self.notes = tuple(notes)


class Cancelled(RuleError):
    """A goal was stopped by its time limit."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that an answer leaves unbound."""

    name: str

    def __str__(self) -> str:
        return "_"


@dataclass(frozen=True, slots=True)
class Note:
    """What was wrong with a loaded file: `severity` is `error` or `warning`."""

    file: str
    line: int
    severity: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.severity}: {self.text}"


@dataclass(frozen=True, slots=True)
class Reply:
    """Answers (variable name to value), whether there are more, what the goal printed, what it took."""

    answers: list[dict[str, Any]]
    more: bool = False
    output: str = ""
    inferences: int = 0


class Engine:
    """SWI-Prolog in this process. `start` gives the one there is; it belongs to the main thread."""

    _started: ClassVar[Engine | None] = None

    def __init__(self) -> None:
        raise SkbError("Engine.start() gives the one engine a process can have")

    @classmethod
    def start(cls) -> Engine:
        """Start Prolog and load the rules, once a process. SkbUnavailable says what to install."""
        if cls._started is None:
            engine = object.__new__(cls)
            engine._open()
            cls._started = engine
        return cls._started

    def solve(
        self, goal: str, bind: Mapping[str, Term] | None = None, *, answers: int | None = None,
        inferences: int = INFERENCES, seconds: float | None = SECONDS, module: str = "skb", boxed: bool = False,
    ) -> Reply:
        """The first `answers` answers (all if None) of a goal as a user types it, dot or no dot.

        `bind` gives values to variables of the goal, by name; answers do not repeat them. Limits and errors
        are RuleErrors.
        A `boxed` goal may conclude and compute, but touch no file, process or fact.
        With `seconds` None nothing watches over time and Ctrl-C: for short questions of our own.
        """
        arguments = (goal_text(goal), _bindings(bind), -1 if answers is None else answers, inferences, module, boxed)
        if seconds is None:
            return self._checked(self._cross(arguments))
        with self._watched(seconds):
            return self._checked(self._cross(arguments))

    def _checked(self, reply: list[Any]) -> Reply:
        self.inferences += reply[-1]
        return _checked(reply)

    def once(self, goal: str, bind: Mapping[str, Term] | None = None, **limits: Any) -> dict[str, Any] | None:
        """The first answer, or None."""
        found = self.solve(goal, bind, answers=1, **{"seconds": None, **limits}).answers
        return found[0] if found else None

    def all(self, goal: str, bind: Mapping[str, Term] | None = None, **limits: Any) -> list[dict[str, Any]]:
        """Every answer."""
        return self.solve(goal, bind, **{"seconds": None, **limits}).answers

    def load_facts(self, source: str, facts: Iterable[Fact]) -> None:
        """Give the store facts of a source, all or none of them."""
        self.once(
            "store:load_facts(Source, Facts)", {"Source": source, "Facts": Literal(to_prolog_list(facts))},
            inferences=1 << 60,
        )

    def consult(self, path: Path, module: str, sandboxed: bool = True) -> tuple[Note, ...]:
        """Load a user's file into a module; everything that is wrong with it comes back.

        Of a sandboxed file nothing is loaded if there is an error in it.
        """
        found = self.once(
            "bridge:consult_file(File, Module, Sandboxed, Text, Notes)",
            {"File": str(path), "Module": module, "Sandboxed": "true" if sandboxed else "false",
             "Text": Text(file_text(path))},
            seconds=SECONDS,
        )
        return _notes(found, path)

    def check(self, path: Path, kind: str) -> tuple[Note, ...]:
        """All that is wrong with a file of rules (`kind` is `rules`) or a policy (`policy`); nothing is loaded."""
        found = self.once(
            "lint:check_rules(File, Text, Kind, Notes)",
            {"File": str(path), "Text": Text(file_text(path)), "Kind": kind}, seconds=SECONDS,
        )
        return _notes(found, path)

    # -- the crossing ------------------------------------------------------------------------------

    def _open(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise SkbError("the engine must be started on the main thread")
        home = os.environ.get("SWI_HOME_DIR")
        if home and not Path(home).is_dir():
            raise SkbUnavailable(f"SWI_HOME_DIR is {home}, which is no folder; unset it or mend it")
        try:
            import pyswip.core as core
        except Exception as error:  # PySwip raises what it likes when the library is not there
            raise SkbUnavailable(
                f"SWI-Prolog cannot be started ({type(error).__name__}); install it: "
                "apt-get install swi-prolog-nox, dnf install pl, or brew install swi-prolog"
            ) from None
        atexit.unregister(core.cleanupProlog)
        sys.exit = _EXIT  # PySwip puts its own in its place, which breaks sys.exit("text")
        self._owner = threading.get_ident()
        self.inferences = 0  # what all questions have taken so far, those that failed included
        self._bind_library(core)
        self._command("set_prolog_flag(debug_on_error, false)")
        self._command("at_halt(cancel_halt('the knowledge base stays'))")
        self._command("set_prolog_flag(stack_limit, 1000000000)")
        self._command("set_stream(user_input, eof_action(eof_code))")
        for file in ("bridge.pl", "skb.pl", "apriori.pl"):
            path = to_prolog(str(RULES / file))
            self._command(f"load_files({path}, [silent(true)])")
        self._command("assertz(bridge:silent)")
        self._predicate = self._find(b"cross", 7, b"bridge")
        self._wake = socket.socketpair()
        self._wake[0].setblocking(False)
        self._wake[1].setblocking(False)
        self._guard = threading.Lock()
        self._deadline: float | None = None
        self._shots = 0
        self._watch = 0
        self._watcher: threading.Thread | None = None

    def _bind_library(self, core: Any) -> None:
        """Prototypes of our own: PySwip's lack argument types. Short calls keep the GIL, the call gives it up."""
        held, free = ctypes.PyDLL(core._lib._name), ctypes.CDLL(core._lib._name)
        term, size = ctypes.c_size_t, ctypes.c_size_t
        kinds = (ctypes.c_int, term, ctypes.c_uint, size, ctypes.c_char_p)
        self._frame = ctypes.PYFUNCTYPE(term)(("PL_open_foreign_frame", held))
        self._discard = ctypes.PYFUNCTYPE(None, term)(("PL_discard_foreign_frame", held))
        self._refs = ctypes.PYFUNCTYPE(term, ctypes.c_int)(("PL_new_term_refs", held))
        self._put = ctypes.PYFUNCTYPE(*kinds)(("PL_put_chars", held))
        self._put_int = ctypes.PYFUNCTYPE(ctypes.c_int, term, ctypes.c_int64)(("PL_put_int64", held))
        self._get = ctypes.PYFUNCTYPE(
            ctypes.c_int, term, ctypes.POINTER(size), ctypes.POINTER(ctypes.c_void_p), ctypes.c_uint
        )(("PL_get_nchars", held))
        self._parse = ctypes.PYFUNCTYPE(ctypes.c_int, term, ctypes.c_int, size, ctypes.c_char_p)(
            ("PL_put_term_from_chars", held)
        )
        self._find = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)(
            ("PL_predicate", held)
        )
        self._call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, term)(
            ("PL_call_predicate", free)
        )
        self._attach = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(("PL_thread_attach_engine", held))
        self._string, self._utf8, self._text = core.PL_STRING, core.REP_UTF8, core.CVT_STRING

    def _command(self, goal: str) -> None:
        """Call a goal of our own at start; an error there is a broken installation."""
        frame = self._frame()
        try:
            refs = self._refs(1)
            data = goal.encode()
            if not self._parse(refs, self._utf8, len(data), data) or not self._call(
                None, _CATCH_EXCEPTION, self._find(b"call", 1, b"system"), refs
            ):
                raise SkbUnavailable(f"SWI-Prolog could not do this at its start: {goal}")
        finally:
            self._discard(frame)

    def _put_text(self, ref: int, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        self._put(ref, self._string | self._utf8, len(data), data)

    def _cross(self, arguments: tuple[str, str, int, int, str, bool]) -> list[Any]:
        if threading.get_ident() != self._owner:
            raise SkbError("the engine belongs to the thread that started it")
        goal, bindings, answers, inferences, module, boxed = arguments
        frame = self._frame()
        try:
            refs = self._refs(7)
            self._put_text(refs, goal)
            self._put_text(refs + 1, bindings)
            self._put_int(refs + 2, answers)
            self._put_int(refs + 3, inferences)
            self._put_text(refs + 4, module)
            self._put_int(refs + 5, boxed)
            if not self._call(None, _CATCH_EXCEPTION, self._predicate, refs):
                if self._shots:
                    return ["error", "cancelled", "interrupted", "", 0]
                raise RuleError("bridge", "the answer could not be handed over")
            size, start = ctypes.c_size_t(), ctypes.c_void_p()
            self._get(refs + 6, size, start, self._text | self._utf8)
            text = ctypes.string_at(start.value or 0, size.value)
            return json.loads(text, object_hook=_value)  # type: ignore[no-any-return]
        except RecursionError:
            raise RuleError("bridge", "the answer is nested too deeply to be shown") from None
        except json.JSONDecodeError:
            raise
        except ValueError:  # Python's limit: reading digits takes the square of their number
            digits = f"{sys.get_int_max_str_digits():,}"
            raise RuleError("bridge", f"the answer has an integer of over {digits} digits; ask for less") from None
        finally:
            self._discard(frame)

    # -- interrupts and the time limit -------------------------------------------------------------

    @contextmanager
    def _watched(self, seconds: float) -> Iterator[None]:
        """Around a crossing: Ctrl-C and the time limit abort it from another thread.

        While Prolog runs, Python's signal handlers cannot; but the C-level handler writes to the wake-up
        socket, where the watcher sees it. KeyboardInterrupt is raised here, when Prolog has let go.
        """
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch_over, name="pilotfish-watcher", daemon=True)
            self._watcher.start()
        interrupted = False

        def note(_signal: int, _frame: object) -> None:
            nonlocal interrupted
            interrupted = True

        handler = signal.signal(signal.SIGINT, note)
        before = signal.set_wakeup_fd(self._wake[1].fileno(), warn_on_full_buffer=False)
        with self._guard:
            self._deadline, self._shots = time.monotonic() + seconds, 0
            self._watch += 1
        self._wake[1].send(b"\0")
        try:
            yield
        except Cancelled:
            if not interrupted:
                raise Cancelled("cancelled", f"stopped after {seconds:g} s; ask for less") from None
        finally:
            with self._guard:
                self._deadline = None
            signal.set_wakeup_fd(before)
            signal.signal(signal.SIGINT, handler)
            while self._shots:  # an abort may still be on its way to the next question: take it here
                self._shots -= 1
                self._cross((_TAKE_SIGNALS, "", 1, INFERENCES, "system", False))
            if interrupted:
                raise KeyboardInterrupt

    def _watch_over(self) -> None:
        """The watcher: once a signal has come or the time is over, abort what runs until it has let go."""
        self._attach(None)
        shot = 0  # the watch in which shooting has begun
        while True:
            with self._guard:
                watch, deadline = self._watch, self._deadline
            wait = None
            if deadline is not None:
                wait = _ABORT_EVERY_S if shot == watch else max(0.0, deadline - time.monotonic())
            select.select([self._wake[0]], [], [], wait)
            received = b""
            with suppress(BlockingIOError):
                received = self._wake[0].recv(4096)
            with self._guard:
                if self._deadline is None:
                    continue
                if signal.SIGINT in received or time.monotonic() >= self._deadline:
                    shot = self._watch
                if shot == self._watch:
                    self._shots += 1
                    self._shoot(b"thread_signal(main, abort)")

    def _shoot(self, goal: bytes) -> None:
        frame = self._frame()
        refs = self._refs(1)
        if self._parse(refs, self._utf8, len(goal), goal):
            self._call(None, _CATCH_EXCEPTION, self._find(b"call", 1, b"system"), refs)
        self._discard(frame)


class Literal(Text):
    """Prolog text that is already written."""

    __slots__ = ()


_TAKE_SIGNALS = "forall(between(1, 1000, X), succ(X, _)) ."  # long enough for Prolog to look for signals
_ERRORS = {"limit": LimitExceeded, "cancelled": Cancelled}
_EXIT = sys.exit
_SYMBOLS = "#$&*+-./:<=>?@^~\\"


def file_text(path: Path) -> str:
    """The text of a file of facts or rules; SkbError where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SkbError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise SkbError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None


def _notes(found: dict[str, Any] | None, path: Path) -> tuple[Note, ...]:
    notes = found["Notes"] if found else []
    return tuple(Note(str(n.args[0]) or str(path), n.args[1], n.args[2], str(n.args[3])) for n in notes)


def _checked(reply: list[Any]) -> Reply:
    if reply[0] == "ok":
        return Reply(reply[1], reply[2], reply[3], reply[4])
    _, kind, text, _, _ = reply
    raise _ERRORS.get(kind, RuleError)(kind, text)


def goal_text(goal: str) -> str:
    """A goal as it is read: without the final dot a user may have typed, closed by one of our own."""
    text = goal.strip()
    if text.endswith(".") and (len(text) < 2 or text[-2] not in _SYMBOLS):
        text = text[:-1]
    if "\0" in text:
        raise RuleError("syntax", "syntax error: a NUL character is not part of any goal")
    return f"{text}\n ."


def _bindings(bind: Mapping[str, Term] | None) -> str:
    if not bind:
        return ""
    pairs = (
        f"{to_prolog(name)}= {value if isinstance(value, Literal) else to_prolog(value)}"
        for name, value in bind.items()
    )
    return f"[{','.join(pairs)}]"


def _value(found: dict[str, Any]) -> Any:
    """A JSON object of a reply: a value that JSON has no form for, or an answer."""
    if len(found) == 1:
        (kind, value), = found.items()
        match kind:
            case "text":
                return Text(value)
            case "compound":
                return Compound(value[0], tuple(value[1]))
            case "variable":
                return Variable(value)
            case "other":
                return value
    return found
