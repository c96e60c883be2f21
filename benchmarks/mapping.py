"""What layouts of communicating dispatchers cost, beside other ways to lay them out.

    python benchmarks/mapping.py [--quick] [--strategies] [MACHINE|LATENCIES.csv]...

Traffic (ring, 2-D and 3-D stencil, all-to-all, random sparse, master-worker) is laid out on shipped machines and,
where they are present, on measured latencies (PILOTFISH_SHARED, or `shared` beside the checkout): by the policy
least_communication, by least_layout with more time, on cores in order (packed), on every so manieth core
(scattered), at random (mean of 20), and by Scotch at its best (scotch.py: several descriptions of the
machine, strategies and sets of cores, those that ours took among them). Each cost
(weight times latency, summed) is relative to the best known one: the least of all these, of least_layout with ten
times the steps, and of a tabu search (after Taillard 1991) from each of the layouts.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scotch

from skb import machine
from skb.engine import Engine
from skb.facts import fact
from skb.knowledge import KnowledgeBase
from skb.placement import PlacementController
from skb.readers import latency

CHECKOUT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("PILOTFISH_SHARED", CHECKOUT / ".." / "shared")) / "data" / "latency"
SHIPPED = ("amd-4x4", "amd-8x4", "scc", "hybrid-client", "epyc-chiplet")
MEASURED = (
    "intel-i9-12900k-24t.csv", "intel-e5-4650v2-4s-40t.csv", "mcst-elbrus-8c-4s-32t.csv", "aws-graviton2-64t.csv",
    "ampere-altra-2s-80t.csv", "amd-epyc-7601-2s-128t.csv", "amd-epyc-7742-2s-256t.csv.gz",
)  # fmt: skip
METHODS = ("policy", "least_layout", "packed", "scattered", "random", "Scotch")
TABU_ITERATIONS = 4000

Array = np.ndarray[Any, np.dtype[np.float64]]
Layout = list[int]


@dataclass(frozen=True, slots=True)
class Case:
    """A traffic matrix of `dispatchers` on a machine of which `distance_ns` holds the latencies by core."""

    machine: str
    traffic: str
    weights: Array
    distance_ns: Array

    def cost(self, layout: Layout) -> float:
        """Nanoseconds that all messages take together; the dispatchers are on these cores."""
        return float((self.weights * self.distance_ns[np.ix_(layout, layout)]).sum())


# -- traffic ------------------------------------------------------------------------------------------


def grid(shape: tuple[int, ...]) -> Array:
    """Neighbours in a grid talk, in both directions alike."""
    n = int(np.prod(shape))
    weights = np.zeros((n, n))
    for a in np.ndindex(*shape):
        for axis in range(len(shape)):
            if a[axis] + 1 < shape[axis]:
                b = tuple(x + (i == axis) for i, x in enumerate(a))
                i, j = (int(np.ravel_multi_index(p, shape)) for p in (a, b))
                weights[i, j] = weights[j, i] = 1
    return weights


def nearly(n: int, dimensions: int) -> tuple[int, ...]:
    """The grid of n points whose sides differ least."""
    if dimensions == 1:
        return (n,)
    side = max(d for d in range(1, n + 1) if n % d == 0 and d**dimensions <= n)
    return (side, *nearly(n // side, dimensions - 1))


def traffics(n: int) -> dict[str, Array]:
    ring = np.zeros((n, n))
    for i in range(n):
        ring[i, (i + 1) % n] = 1
    sparse = np.zeros((n, n))
    chance = random.Random(n)
    for i in range(n):
        for j in chance.sample([k for k in range(n) if k != i], min(3, n - 1)):
            sparse[i, j] = chance.randint(1, 10)
    master = np.zeros((n, n))
    master[0, 1:] = 4
    master[1:, 0] = 1
    return {
        "ring": ring, "stencil 2-D": grid(nearly(n, 2)), "stencil 3-D": grid(nearly(n, 3)),
        "all-to-all": np.ones((n, n)) - np.eye(n), "random sparse": sparse, "master-worker": master,
    }


# -- machines -----------------------------------------------------------------------------------------


def knowledge() -> KnowledgeBase:
    return KnowledgeBase(Engine.start())


def machines() -> list[str]:
    """The shipped ones, and the files of latencies that are present."""
    return [*SHIPPED, *(str(SHARED / name) for name in MEASURED if (SHARED / name).is_file())]


def load(kb: KnowledgeBase, name: str) -> None:
    """Hold that machine: a shipped one, or a bare matrix of latencies."""
    if name in SHIPPED or "csv" not in name:
        machine.load(kb, machine.find(name))
        return
    path = Path(name)
    said = latency.read(machine.decompressed(path.read_bytes(), path.name), path.name)
    cores = sorted({int(str(item.args[0])) for item in said})
    kb.load_machine([("cpuid", [fact("cpu_thread", core, 0, core, 0) for core in cores]), ("measured", said)])


def distances(kb: KnowledgeBase) -> Array:
    found = kb.once("findall(C, core(C), Cs), findall(d(A, B, D), distance_ns(A, B, D), Ds)", inferences=1 << 40)
    assert found is not None
    cores = found["Cs"]
    assert cores == list(range(len(cores)))
    matrix = np.full((len(cores), len(cores)), np.nan)
    for item in found["Ds"]:
        matrix[item.args[0], item.args[1]] = float(item.args[2])
    matrix[np.isnan(matrix)] = np.nanmax(matrix)  # as latencies.pl counts what nothing tells
    np.fill_diagonal(matrix, 0)
    return matrix


# -- ways to lay out ----------------------------------------------------------------------------------


def terms(weights: Array) -> str:
    items = (f"traffic({i},{j},{int(weights[i, j])})" for i, j in zip(*np.nonzero(weights), strict=True))
    return f"[{','.join(items)}]"


def by_policy(kb: KnowledgeBase, case: Case) -> tuple[Layout, float, int]:
    """The policy as `spawn` uses it: layout, seconds, inferences of the decision; distances are known beforehand."""
    kb.engine.once("store:forget(user)", inferences=1 << 40)
    kb.load("user", [
        fact("traffic", "main", int(i), int(j), int(case.weights[i, j]))
        for i, j in zip(*np.nonzero(case.weights), strict=True)
    ])  # fmt: skip
    controller = PlacementController(kb, "least_communication")
    n = len(case.weights)
    for domain in (1, 2):
        start = time.perf_counter()
        placement = controller.place(domain, n)
        taken = time.perf_counter() - start
        controller.release(domain)
    return [a.core for a in placement.assignments], taken, placement.inferences


def offline(kb: KnowledgeBase, case: Case, steps: int = 6_000_000) -> tuple[Layout, float, str, float]:
    """least_layout: layout, seconds, how it was found, lower bound; so many steps are what it takes by itself."""
    start = time.perf_counter()
    found = kb.once(f"communication:least_layout({terms(case.weights)}, any, {steps}, Plan)", inferences=1 << 40)
    taken = time.perf_counter() - start
    assert found is not None
    pairs, _, bound, how = found["Plan"].args
    return [pair.args[1] for pair in pairs], taken, how, bound


def tabu(case: Case, start: Layout, iterations: int, seed: int) -> float:
    """The least cost that a robust tabu search over moves and exchanges comes by, in so many iterations."""
    chance = np.random.default_rng(seed)
    n, count = len(case.weights), len(case.distance_ns)
    w, wt, d, dt = case.weights, case.weights.T, case.distance_ns, case.distance_ns.T
    place = np.array(start)
    cost = best = case.cost(start)
    own = w @ d[:, place].T + wt @ d[place, :]
    until = np.zeros((n, count), int)
    rows = np.arange(n)
    for step in range(iterations):
        here = own[rows, place]
        move = own - here[:, None]
        taken = np.zeros(count, bool)
        taken[place] = True
        move[:, taken] = np.inf
        cross = own[:, place]
        # the edge between the two is in both terms, with its ends at one core: put right by its own cost
        edge = w * d[np.ix_(place, place)] + wt * d[np.ix_(place, place)].T
        turned = w * d[np.ix_(place, place)].T + wt * d[np.ix_(place, place)]
        swap = cross + cross.T - here[:, None] - here[None, :] + edge + turned
        np.fill_diagonal(swap, np.inf)
        barred = until > step
        full = move
        full[:, place] = swap
        forbidden = barred.copy()
        forbidden[:, place] &= barred[:, place].T
        allowed = np.where(forbidden & (cost + full >= best - 1e-9), np.inf, full)
        i, c = divmod(int(np.argmin(allowed)), count)
        if not np.isfinite(allowed[i, c]):
            continue
        cost += full[i, c]
        changed = [(i, int(place[i]), c)]
        if taken[c]:
            j = int(np.nonzero(place == c)[0][0])
            changed.append((j, c, int(place[i])))
        for k, old, new in changed:
            until[k, old] = step + int(chance.integers(n // 2 + 2, 2 * n + 4))
            place[k] = new
            own += w[:, k, None] * (dt[new] - dt[old])[None, :] + wt[:, k, None] * (d[new] - d[old])[None, :]
        best = min(best, cost)
    return float(best)


# -- the table ----------------------------------------------------------------------------------------


def compact(distance: Array, n: int) -> Layout:
    """n cores, each the closest to those before it, from the one around which n lie closest."""
    both = distance + distance.T
    chosen = [int(np.argmin(np.sort(both, axis=1)[:, :n].sum(axis=1)))]
    reach = both[chosen[0]].copy()
    while len(chosen) < n:
        reach[chosen] = np.inf
        chosen.append(int(np.argmin(reach)))
        reach = np.minimum(reach, both[chosen[-1]])
    return chosen


def measure(kb: KnowledgeBase, case: Case, iterations: int) -> dict[str, float]:
    n, count = len(case.weights), len(case.distance_ns)
    layouts: dict[str, Layout] = {}
    layouts["policy"], policy_s, inferences = by_policy(kb, case)
    layouts["least_layout"], offline_s, how, bound = offline(kb, case)
    layouts["packed"] = list(range(n))
    layouts["scattered"] = [i * count // n for i in range(n)]
    scotch_s = 0.0
    if not scotch.missing():
        sets = [compact(case.distance_ns, n), layouts["policy"], layouts["least_layout"]]
        shot = scotch.best(case.weights, case.distance_ns, sets)
        layouts["Scotch"], scotch_s = shot.layout, shot.seconds
    costs = {name: case.cost(layout) for name, layout in layouts.items()}
    draws = [case.cost(random.Random(seed).sample(range(count), n)) for seed in range(20)]
    costs["random"] = statistics.mean(draws)
    begun = [*layouts.values(), compact(case.distance_ns, n), random.Random(7).sample(range(count), n)]
    best = min(costs[name] for name in layouts)
    if how != "exact":
        best = min(best, case.cost(offline(kb, case, 60_000_000 if iterations == TABU_ITERATIONS else 6_000_000)[0]))
    for seed, start in enumerate(begun):
        best = min(best, tabu(case, start, iterations, seed))
    row = {name: cost / best for name, cost in costs.items()}
    return row | {
        "policy_s": policy_s, "least_layout_s": offline_s, "scotch_s": scotch_s, "exact": float(how == "exact"),
        "bound": bound / best, "inferences": inferences,
    }


def in_swipl() -> None:
    """64 dispatchers on 256 cores: the decision through the controller, and its goal alone in a `swipl`."""
    kb = knowledge()
    load(kb, "epyc-chiplet")
    matrix = distances(kb)
    weights = grid((8, 8))
    ours = statistics.median(by_policy(kb, Case("", "", weights, matrix))[1] for _ in range(9))
    told = f"placing 64 dispatchers (8 x 8 stencil) on {len(matrix)} cores: {ours * 1e3:.1f} ms"
    program = shutil.which("swipl")
    if program is None:
        print(f"{told}; swipl is not installed")
        return
    latencies = ",".join(
        f"core_latency({a},{b},{matrix[a, b]},ns)" for a, b in np.ndindex(matrix.shape) if a != b
    )
    threads = ",".join(f"cpu_thread({core},0,{core},0)" for core in range(len(matrix)))
    goal = (
        "run :- store:load_facts(cpuid, [{}]), store:load_facts(measured, [{}]), traffic(Traffic), "
        "numlist(0, 63, Dispatchers), findall(Core, core(Core), Cores), findall(Ms, ( between(0, 9, _), "
        "get_time(T0), communication:quick_layout(Traffic, Dispatchers, Cores, _, _), get_time(T1), "
        "Ms is (T1 - T0) * 1000 ), [_|All]), msort(All, Sorted), nth1(5, Sorted, Median), print(Median)."
    )
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "decide.pl"
        script.write_text(
            f":- use_module('{CHECKOUT / 'rules' / 'skb'}').\n"
            f":- use_module(library(lists)).\ntraffic({terms(weights)}).\n"
            + goal.replace("{}", threads, 1).replace("{}", latencies, 1) + "\n"
        )
        done = subprocess.run([program, "-g", "run", "-t", "halt", str(script)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    print(f"{told}; its goal alone inside swipl {float(done.stdout):.1f} ms")


def strategies(kb: KnowledgeBase) -> None:
    """Which description of which machine, and which strategy, serves Scotch best."""
    rows: dict[tuple[str, str], list[float]] = {}
    for name in machines():
        load(kb, name)
        distance_ns = distances(kb)
        n = min(64, len(distance_ns))
        for weights in traffics(n).values():
            found = list(scotch.shots(weights, distance_ns, [compact(distance_ns, n)]))
            least = min(shot.cost for shot in found)
            for shot in found:
                rows.setdefault((shot.target, shot.strategy), []).append(shot.cost / least)
    print(f"{'target':16}{'strategy':16}{'cases':>6}{'best in':>8}{'mean':>8}{'worst':>8}   of Scotch's own best")
    for (target, strategy), ratios in rows.items():
        won = sum(ratio < 1.0001 for ratio in ratios)
        print(f"{target:16}{strategy:16}{len(ratios):6}{won:8}{np.mean(ratios):8.3f}{max(ratios):8.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer sizes, and a tenth of the tabu search")
    parser.add_argument("--strategies", action="store_true", help="what serves Scotch best, and nothing else")
    parser.add_argument("machines", nargs="*", metavar="MACHINE|LATENCIES.csv")
    given = parser.parse_args()
    names = given.machines or machines()
    iterations = TABU_ITERATIONS // 10 if given.quick else TABU_ITERATIONS
    kb = knowledge()
    if not given.machines and len(names) == len(SHIPPED):
        print(f"measured latencies: skipped, there are none in {SHARED}")
    if given.strategies:
        if scotch.missing():
            print(f"Scotch: skipped, {scotch.missing()}")
        else:
            strategies(kb)
        return
    if scotch.missing():
        print(f"Scotch: skipped, {scotch.missing()}")
    head = f"{'machine':26} {'traffic':14} {'n':>3} " + "".join(f"{name:>13}" for name in METHODS)
    print("cost relative to the best known; bound is the lower bound of least_layout, exact where it is proved")
    print(head + f"{'bound':>8}{'policy ms':>11}{'layout ms':>11}{'Scotch ms':>11}")
    worst: dict[str, float] = {}
    rows: list[dict[str, float]] = []
    for name in names:
        load(kb, name)
        matrix = distances(kb)
        count = len(matrix)
        sizes = [n for n in ((64,) if given.quick else (8, 16, 64)) if n <= count] or [count]
        for n in sizes:
            for kind, weights in traffics(n).items():
                label = Path(name).name.split(".")[0]
                row = measure(kb, Case(label, kind, weights, matrix), iterations)
                shown = "".join(f"{row[m]:13.4f}" if m in row else f"{'-':>13}" for m in METHODS)
                exact = "exact" if row["exact"] else f"{row['bound']:.3f}"
                print(f"{label:26} {kind:14} {n:3} {shown}{exact:>8}{row['policy_s'] * 1e3:11.1f}"
                      f"{row['least_layout_s'] * 1e3:11.0f}{row['scotch_s'] * 1e3:11.1f}", flush=True)
                rows.append(row)
                for m in METHODS:
                    worst[m] = max(worst.get(m, 0.0), row.get(m, 0.0))
    pairs = [row for row in rows if "Scotch" in row]
    if pairs:
        ratios = [row["policy"] / row["Scotch"] for row in pairs]
        print(f"policy / Scotch: median {statistics.median(ratios):.4f}, worst {max(ratios):.4f}, "
              f"dearer by over 2 % in {sum(ratio > 1.02 for ratio in ratios)} of {len(ratios)}")
    print(f"over 2 % above the best known, of {len(rows)}: "
          + ", ".join(f"{m} {sum(row.get(m, 0) > 1.02 for row in rows)}" for m in METHODS))
    for m in METHODS:
        found = [row[m] for row in rows if m in row]
        if found:
            print(f"{m:14} median {statistics.median(found):.4f} worst {max(found):.4f}")
    print(f"policy ms: median {statistics.median(row['policy_s'] for row in rows) * 1e3:.1f}, "
          f"worst {max(row['policy_s'] for row in rows) * 1e3:.1f}; least_layout ms: median "
          f"{statistics.median(row['least_layout_s'] for row in rows) * 1e3:.0f}; Scotch ms: median "
          f"{statistics.median(row['scotch_s'] for row in rows) * 1e3:.1f}")
    in_swipl()
    print(f"{'worst':45}" + "".join(f"{worst[m]:13.4f}" for m in METHODS))


if __name__ == "__main__":
    main()
