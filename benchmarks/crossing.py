"""The crossing into Prolog beside PySwip's own interface, in one run, medians of five.

    python benchmarks/crossing.py

Rows: a one-answer query over 65,536 facts, 10,000 answers out, 65,536 facts in (checked against the
vocabulary, with their source) beside PySwip's assertz and SWI-Prolog's consult of the same facts from a file.
"""

from __future__ import annotations

import importlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from skb.engine import Engine
from skb.facts import fact
from skb.knowledge import KnowledgeBase

RUNS = 5
CORES = 256


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def median(action: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    times = []
    for _ in range(RUNS):
        before()
        times.append(seconds(action))
    return statistics.median(times)


def main() -> None:
    kb = KnowledgeBase(Engine.start())
    # The peer to compare with, after the engine: it must not start Prolog its own way.
    Prolog = importlib.import_module("pyswip").Prolog

    facts = [fact("core_latency", a, b, a * b % 97 + 1, "ns") for a in range(CORES) for b in range(CORES) if a != b]
    text = "".join(f"consulted:{item}.\n" for item in facts)
    with tempfile.NamedTemporaryFile("w", suffix=".pl", delete=False) as file:
        file.write(":- dynamic consulted:core_latency/4.\n" + text)
    rows = []

    loading = median(lambda: kb.load("measured", facts), lambda: kb.engine.once("store:forget(measured)"))
    consulting = median(lambda: Prolog.consult(file.name))
    sample = [str(item) for item in facts[:2000]]
    asserting = median(
        lambda: [Prolog.assertz(f"asserted:{item}") for item in sample],
        lambda: list(Prolog.query("retractall(asserted:core_latency(_,_,_,_))")),
    ) * len(facts) / len(sample)
    rows.append(("facts in, beside consult", loading / len(facts), consulting / len(facts)))
    rows.append(("facts in, beside assertz", loading / len(facts), asserting / len(facts)))

    goal, times = "core_latency(17, 200, X, U)", 2000
    ours = median(lambda: [kb.engine.once(goal) for _ in range(times)]) / times
    theirs = median(lambda: [list(Prolog.query(f"facts:{goal}")) for _ in range(times)]) / times
    rows.append(("one-answer query", ours, theirs))
    asked = median(lambda: [kb.ask(goal, limit=1) for _ in range(times)]) / times
    rows.append(("the same as a user's goal", asked, theirs))

    goal = "core_latency(A, B, C, U), A < 39"
    answers = len(kb.all(goal))
    ours = median(lambda: kb.all(goal)) / answers
    theirs = median(lambda: list(Prolog.query(f"facts:(({goal}))"))) / answers
    rows.append((f"{answers} answers out", ours, theirs))

    Path(file.name).unlink()
    print(f"{'what':28} {'us, Pilotfish':>14} {'us, PySwip':>12} {'PySwip/ours':>12}")
    for name, ours, theirs in rows:
        print(f"{name:28} {ours * 1e6:14.2f} {theirs * 1e6:12.2f} {theirs / ours:12.1f}")


if __name__ == "__main__":
    main()
