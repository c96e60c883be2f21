"""The knowledge base: facts in, each with its source; questions answered.

This is what the kernel and the shell see of the SKB. A question is Prolog text and runs in module `skb`,
which sees the facts, everything the rules conclude from them, and the user's own rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skb.engine import Engine, Literal, Note, Reply, RulesRejected, SkbError, file_text, goal_text
from skb.facts import Compound, Fact, Term, Text, to_prolog, to_prolog_list
from skb.files import write_whole

USER_RULES = "user_rules"
"""The module in which users' rule files live."""

_SAVED = """:- encoding(utf8).
% Facts that were stated by hand; `load` states them anew. wrong(F) takes belief from all F that dumps say."""

_TABLE = re.compile(r"\((\w+)\)\Z")
"""How the vocabulary names the firmware table that a fact stands in: at the end of its meaning."""

_NO_LIMIT = 1 << 60  # for work whose size the machine's dumps set


@dataclass(frozen=True, slots=True)
class Predicate:
    """An entry of the vocabulary: `kind` is `fact` or `derived`, `arguments` are name:type texts."""

    name: str
    arity: int
    kind: str
    arguments: tuple[str, ...]
    meaning: str

    @property
    def signature(self) -> str:
        """`distance(a, b, latency)`."""
        return f"{self.name}({', '.join(argument.split(':', 1)[0] for argument in self.arguments)})"


@dataclass(frozen=True, slots=True)
class Usage:
    """How a predicate is used: the `sources` that state a fact, and the `key` arguments that identify one; the
    `determinism` of what is derived; of either a question by it.
    """

    sources: tuple[str, ...]
    key: tuple[str, ...]
    determinism: str
    example: str


@dataclass(frozen=True, slots=True)
class Proof:
    """Why `goal` holds (rules/proof.pl). `kind` is `fact`, `rule`, `computed`, `none` (nothing satisfies it) or `all`
    (all its solutions count); `source` who says a fact, or file:line of a user's rule; `proofs` what it rests on.
    """

    kind: str
    goal: Term
    source: str
    proofs: tuple[Proof, ...]


@dataclass(frozen=True, slots=True)
class Origins:
    """Where facts come from: the files that each source was read from, and the table that a fact stands in."""

    files: Mapping[str, tuple[str, ...]]
    tables: Mapping[tuple[str, int], str]

    def of(self, proof: Proof) -> tuple[str, tuple[str, ...]]:
        """The table (`SLIT`; empty where the vocabulary names none) and the files of a fact in a proof."""
        goal = proof.goal
        if proof.kind != "fact" or not isinstance(goal, Compound) or proof.source not in self.files:
            return "", ()
        table = self.tables.get((goal.name, len(goal.args)), "") if proof.source == "acpi" else ""
        return table, self.files[proof.source]


class KnowledgeBase:
    """The System Knowledge Base. A process has one; `engine` is what it stands on."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine or Engine.start()

    def load(self, source: str, facts: Iterable[Fact]) -> None:
        """`source` says these facts; all are taken in, or none and an error says which is wrong."""
        self.engine.load_facts(source, facts)

    def load_machine(
        self, said: Sequence[tuple[str, Sequence[Fact]]], apriori: str = "", apriori_name: str = "facts.pl"
    ) -> None:
        """Hold what these sources say, and the text of a facts.pl; nothing else, or on an error what was held."""
        self.engine.once(
            "apriori:load_machine(Said, File, Text)", _machine(said, apriori, apriori_name), inferences=_NO_LIMIT
        )

    def supposing(
        self, said: Sequence[tuple[str, Sequence[Fact]]], apriori: str, apriori_name: str, goal: str
    ) -> dict[str, Any] | None:
        """The first answer that `goal` would have on that machine, as `load_machine` takes it, or None.

        What the knowledge base holds stays as it is, placements included; an error is the one that loading
        the machine would raise. A goal of many answers collects them itself: `findall(C, core(C), Cores)`.
        """
        return self.engine.once(
            f"apriori:supposing_machine(Said, File, Text, ({goal}))", _machine(said, apriori, apriori_name),
            inferences=_NO_LIMIT, seconds=60.0,
        )

    def ask(self, goal: str, bind: Mapping[str, Term] | None = None, *, limit: int | None = None) -> Reply:
        """A user's question: the first `limit` answers (all if None), boxed, under limits, interruptible."""
        return self.engine.solve(goal, bind, answers=limit, boxed=True)

    def stream(self, goal: str) -> Iterator[tuple[dict[str, Any], str, bool]]:
        """A user's question, as far as one goes on: each answer, what was printed for it, whether more follow.

        Answers are found anew in batches that grow, so that going through n of them costs as finding O(n) does, and
        nothing stays open in between.
        """
        given, printed, batch = 0, 0, 2  # of a single answer the bridge does not say whether more follow
        while True:
            reply = self.ask(goal, limit=batch)
            fresh = reply.answers[given:]
            for number, answer in enumerate(fresh, 1):
                last = number == len(fresh)
                yield answer, reply.output[printed:] if number == 1 else "", reply.more or not last
            given, printed, batch = len(reply.answers), len(reply.output), 4 * batch
            if not reply.more:
                return

    def origins(self) -> Origins:
        """Where the machine's facts come from."""
        files: dict[str, tuple[str, ...]] = {}
        for row in self.all("dump(Source, File)"):
            files[row["Source"]] = (*files.get(row["Source"], ()), str(row["File"]))
        tables = {
            (entry.name, entry.arity): found[1]
            for entry in self.predicates() if (found := _TABLE.search(entry.meaning))
        }
        return Origins(files, tables)

    def units(self, goal: str) -> dict[str, str]:
        """The unit of each of a question's variables that stands for a quantity, by the vocabulary."""
        found = self.once("units:units_of_question(Text, Units)", {"Text": Text(goal_text(goal))})
        return {pair.args[0]: pair.args[1] for pair in found["Units"]} if found else {}

    def explain(self, goal: str, *, limit: int = 1) -> list[Proof]:
        """Proofs of a user's goal, boxed and limited as in `ask`: the first `limit` ways in which it holds."""
        asked = {"Text": Text(goal_text(goal))}
        reply = self.engine.solve("proof:proof_of_question(Text, Proof)", asked, answers=limit)
        return [_proof(answer["Proof"]) for answer in reply.answers]

    def once(self, goal: str, bind: Mapping[str, Term] | None = None, **limits: Any) -> dict[str, Any] | None:
        """The first answer to a question of our own, or None."""
        return self.engine.once(goal, bind, **limits)

    def all(self, goal: str, bind: Mapping[str, Term] | None = None, **limits: Any) -> list[dict[str, Any]]:
        """Every answer to a question of our own."""
        return self.engine.all(goal, bind, **limits)

    def assert_fact(self, text: str) -> None:
        """The user says a fact, in place of what was said before of the same thing."""
        self._change("assert_fact", text)

    def retract_fact(self, text: str) -> None:
        """No fact matches the pattern any more; SkbError if none did."""
        if not self._change("retract_fact", text):
            raise SkbError(f"no fact matches {text.strip().rstrip('.')}")

    def _change(self, predicate: str, text: str) -> bool:
        fact = goal_text(text).rsplit("\n", 1)[0]
        return self.engine.once(f"store:{predicate}(({fact}\n))") is not None

    def save(self, path: Path) -> int:
        """Keep in a file all that the user states, as readable Prolog that `restate` reads; how many facts it was.

        Files are written whole or not at all (skb/files.py); SkbError if it cannot be.
        """
        found = self.engine.once("apriori:stated(Lines)", inferences=_NO_LIMIT, seconds=60.0)
        lines = [str(line) for line in found["Lines"]] if found else []
        write_whole(path, "\n".join([_SAVED, *lines, ""]).encode())
        return len(lines)

    def restate(self, path: Path) -> None:
        """The user states the facts in a file, each in place of what the user stated of the same thing before.

        All of them, or an error says where the first is that is none.
        """
        text = Text(file_text(path))
        self.engine.once("apriori:state_facts(File, Text)", {"File": str(path), "Text": text}, inferences=_NO_LIMIT)

    def consult(self, path: Path) -> tuple[Note, ...]:
        """Load a file of the user's rules, sandboxed; warnings come back. RulesRejected if it has errors."""
        notes = self.engine.consult(path, USER_RULES)
        if any(note.severity == "error" for note in notes):
            raise RulesRejected(path, notes)
        return notes

    def facts(self, name: str, arity: int | None = None) -> list[tuple[tuple[Any, ...], str]]:
        """The facts of that name: their arguments and their source."""
        rows = self.all(
            "vocabulary:declared(Name, Arity, fact, _, _, _), functor(Fact, Name, Arity), "
            "store:fact_source(Fact, Source), Fact =.. [_|Arguments]",
            {"Name": name} if arity is None else {"Name": name, "Arity": arity},
            inferences=_NO_LIMIT, seconds=60.0,
        )
        return [(tuple(row["Arguments"]), row["Source"]) for row in rows]

    def predicates(self) -> list[Predicate]:
        """The whole vocabulary, by name."""
        rows = self.all("vocabulary:declared(Name, Arity, Kind, Arguments, _, Meaning)")
        found = [
            Predicate(
                row["Name"], row["Arity"], row["Kind"],
                tuple(_argument(argument) for argument in row["Arguments"]), str(row["Meaning"]),
            )
            for row in rows
        ]
        return sorted(found, key=lambda entry: (entry.name, entry.arity))

    def usage(self, predicate: Predicate) -> Usage:
        """How a predicate of the vocabulary is used."""
        bind: dict[str, Term] = {"Name": predicate.name, "Arity": predicate.arity}
        if predicate.kind == "fact":
            found = self.once(
                "findall(S, vocabulary:declared_source(Name, Arity, S), Sources), "
                "( vocabulary:key_positions(Name, Arity, Key) -> true ; Key = [] )", bind,
            )
            assert found is not None
            names = [argument.split(":", 1)[0] for argument in predicate.arguments]
            variables = ", ".join(name.title().replace("_", "") for name in names)
            return Usage(
                tuple(found["Sources"]), tuple(names[position - 1] for position in found["Key"]), "",
                f"{predicate.name}({variables})",
            )
        found = self.once("vocabulary:determinism(Name, Arity, D), examples:example(Name, Arity, Goal)", bind)
        assert found is not None
        return Usage((), (), found["D"], str(found["Goal"]))


def _machine(said: Sequence[tuple[str, Sequence[Fact]]], apriori: str, apriori_name: str) -> dict[str, Any]:
    """What a machine's sources say, as the arguments of the goals that take it."""
    pairs = ",".join(f"{to_prolog(source)}-{to_prolog_list(facts)}" for source, facts in said)
    return {"Said": Literal(f"[{pairs}]"), "File": Text(apriori_name), "Text": Text(apriori)}


def _proof(node: Compound) -> Proof:
    kind, goal, source, proofs = node.args
    assert isinstance(kind, str) and isinstance(source, str) and isinstance(proofs, list)
    return Proof(kind, goal, source, tuple(_proof(each) for each in proofs if isinstance(each, Compound)))


def _argument(term: Compound) -> str:
    """`core:core` of a declaration as text: an argument's name and its type."""
    name, kind = term.args
    return f"{name}:{to_prolog(kind)}"
