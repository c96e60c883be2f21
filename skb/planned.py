"""Machines that do not exist yet: a few figures become the description that generate.py makes a machine of.

A `Plan` is what `machine generate` was asked for. Packages hold NUMA nodes, nodes hold cores that share an L3, cores
hold threads; what the plan leaves open is chosen here, and its place in machine.toml says so. Latencies are stated by
relation, as costs (rules/distance.pl): a table of all pairs of 4,096 cores would have 17 million entries.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from skb import interconnect
from skb.generate import MOST_SLIT_NODES, generate
from skb.machine import MachineError
from skb.writers.cpuid import EncodingError

MOST_CORES = 4096
"""Hardware threads of the largest machine that is made."""

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
_LINE_BYTES = 64
_LOWEST_HZ, _HIGHEST_HZ = 10**6, 10**11
_HOLE = (0xC0000000, 0x100000000)
_WAYS = (8, 12, 16, 6, 4, 3, 2, 1)
_AMD_L2_WAYS = (8, 16, 6, 4, 3, 2, 1)  # leaf 80000006 has no code for 12 (AMD APM volume 3, table E-4)
_L3_WAYS = (16, 12, 8, 6, 4, 3, 2, 1)
_PHYSICAL_BITS = 52
"""What x86 can address at most (AMD APM volume 2, 5.1; Intel SDM volume 3A, 4.1.4)."""


class PlanError(MachineError):
    """A machine that cannot be made as asked; one line that names the option."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """What the cores of a vendor's machines are like where nothing else was asked for."""

    encoder: str
    like: str
    threads: tuple[int, ...]
    """How many a core may have."""
    l1d_bytes: int
    l1i_bytes: int
    l2_bytes: int
    l3_bytes: int


VENDORS = {
    # AMD PPR 55901 for family 19h model 11h, 2.1: 32 kB of L1, 1 MB of L2, 32 MB of L3 a complex
    "amd": Vendor("amd_zen", "an EPYC 9654", (1, 2), 32 * KIB, 32 * KIB, MIB, 32 * MIB),
    # Intel optimization manual 248966, 2.3 (Golden Cove): 48 kB and 32 kB of L1, 2 MB of L2; the 12900K's 30 MB of L3
    "intel": Vendor("intel_modern", "a Xeon Platinum 8480+", (1, 2, 4), 48 * KIB, 32 * KIB, 2 * MIB, 30 * MIB),
}


@dataclass(frozen=True, slots=True)
class Latency:
    """Of a message one way: `value` in `unit`, ns or cycles."""

    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.value:,} {self.unit}"


RELATIONS = {
    "shared": ("ump_shared_cache", "between cores that share a cache"),
    "local": ("ump_same_package", "between cores of a package that share none"),
    "hop": ("ump_hop", "over one link between packages"),
    "next_hop": ("ump_next_hop", "more for each further link"),
}
"""Options, the cost that each states, and what it is of."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for: `nodes` a package, `cores` a node, `threads` a core; sizes in bytes, None where it is open.

    `l1_bytes` is the size of each of the two L1 caches; `l3_bytes` 0 is no L3. `latencies` go by the keys of
    RELATIONS. `left_open` names the fields that nobody stated. PlanError where such a machine cannot be, or where
    something stated would say nothing.
    """

    packages: int = 1
    nodes: int = 1
    cores: int = 4
    threads: int = 1
    shape: str | None = None
    clock_hz: int = 2_500_000_000
    vendor: str = "amd"
    l1_bytes: int | None = None
    l2_bytes: int | None = None
    l3_bytes: int | None = None
    node_bytes: int = 4 * GIB
    latencies: Mapping[str, Latency] = field(default_factory=dict)
    left_open: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._check_counts()
        if not _LOWEST_HZ <= self.clock_hz <= _HIGHEST_HZ:
            raise PlanError(f"--clock: {self.clock_hz} Hz; 1 MHz to 100 GHz")
        self._check_caches()
        if self.node_bytes < MIB or self.node_bytes % MIB:
            raise PlanError(f"--memory: {self.node_bytes:,} bytes; whole MiB, 1 at least")
        if self.node_bytes * self.packages * self.nodes + _HOLE[1] > 1 << _PHYSICAL_BITS:
            raise PlanError(
                f"--memory: {size(self.node_bytes)} for each of {self.packages * self.nodes} nodes; "
                f"all of them have less than {size(1 << _PHYSICAL_BITS)}, the most that is addressed"
            )
        try:
            most = self.most_hops
        except interconnect.InterconnectError as error:
            raise PlanError(f"--interconnect: {error}") from None
        self._check_latencies(most)

    def _useless(self, most_hops: int) -> dict[str, str]:
        """Latencies that no two cores have, with why."""
        l3 = self.l3_bytes != 0
        why = {}
        if self.threads == 1 and (not l3 or self.cores == 1):
            why["shared"] = "no two cores share a cache; leave it out"
        if l3 and self.nodes == 1:
            why["local"] = "all cores of a package share its L3; leave it out, or state --nodes, or --l3 none"
        elif self.nodes * self.cores == 1:
            why["local"] = "a package has one core; leave it out"
        if most_hops < 1:
            why["hop"] = "one package is linked to none; state --packages, or leave it out"
        if most_hops < 2:
            why["next_hop"] = "no two packages are farther apart than one link; leave it out"
        return why

    def applies(self) -> list[str]:
        """The latencies that there are pairs of cores for, nearest first."""
        return [option for option in RELATIONS if option not in self._useless(self.most_hops)]

    @property
    def caches(self) -> list[tuple[str, int]]:
        """Levels and sizes, as stated or as the vendor's are; 0 where there is none."""
        vendor = VENDORS[self.vendor]
        return [
            ("L1d", self.l1_bytes or vendor.l1d_bytes),
            ("L1i", self.l1_bytes or vendor.l1i_bytes),
            ("L2", self.l2_bytes or vendor.l2_bytes),
            ("L3", vendor.l3_bytes if self.l3_bytes is None else self.l3_bytes),
        ]

    def _check_counts(self) -> None:
        for option, count in (("packages", self.packages), ("nodes", self.nodes), ("cores", self.cores)):
            if not 1 <= count <= MOST_CORES:
                raise PlanError(f"--{option}: {_number(count)}; 1 to {MOST_CORES:,}")
        allowed = VENDORS[self.vendor].threads
        if self.threads not in allowed:
            words = ", ".join(map(str, allowed[:-1]))
            raise PlanError(
                f"--threads: {_number(self.threads)}; a core of --vendor {self.vendor} has {words} or {allowed[-1]}"
            )
        if self.all_threads > MOST_CORES:
            raise PlanError(
                f"{_count(self.packages, 'package')} of {_count(self.nodes, 'node')} of "
                f"{_count(self.cores, 'core')} of {_count(self.threads, 'thread')} are {self.all_threads:,} threads; "
                f"{MOST_CORES:,} at most"
            )
        if self.shape and self.packages == 1:
            raise PlanError("--interconnect: one package is linked to none; state --packages, or leave it out")

    def _check_caches(self) -> None:
        for option, stated, step, most in (
            ("l1", self.l1_bytes, KIB, 255 * KIB),  # AMD's leaf 80000005 has 8 bits of kB
            ("l2", self.l2_bytes, KIB, 64 * MIB - KIB),  # 80000006: 16 bits of kB
            ("l3", self.l3_bytes, 512 * KIB, 8 * GIB - 512 * KIB),  # 80000006: 14 bits of 512 kB
        ):
            if stated is None or (option == "l3" and stated == 0):
                continue
            if stated % step or not step <= stated <= most:
                limit = size(most + step)
                raise PlanError(f"--{option}: {size(stated)}; whole {size(step)}, and less than {limit}")

    def _check_latencies(self, most_hops: int) -> None:
        useless = self._useless(most_hops)
        if "next_hop" in self.latencies and "hop" not in self.latencies and most_hops > 1:
            raise PlanError("--next-hop: state --hop too, what the first link takes")
        for option, latency in self.latencies.items():
            if option in useless:
                raise PlanError(f"--{option.replace('_', '-')}: {useless[option]}")
            if not 0 < self.in_ns(latency) <= 1e9:
                raise PlanError(f"--{option.replace('_', '-')}: {latency}; more than nothing, a second at most")

    @property
    def all_threads(self) -> int:
        """What Pilotfish calls cores."""
        return self.packages * self.nodes * self.cores * self.threads

    @property
    def laid(self) -> str:
        """The shape of the interconnect: a mesh where none was asked for."""
        return self.shape or "mesh"

    @property
    def links(self) -> list[interconnect.Link]:
        """The links between packages."""
        return interconnect.links(self.laid, self.packages)

    @property
    def most_hops(self) -> int:
        """Between the two packages that are farthest apart: no package is farther from others than package 0."""
        return max(interconnect.hops_from(0, self.packages, self.links))

    @property
    def effective(self) -> dict[str, Latency]:
        """The latencies stated; each further link takes as long as the first where only that was."""
        found = dict(self.latencies)
        if "hop" in found and "next_hop" not in found and self.most_hops > 1:
            found["next_hop"] = found["hop"]
        return found

    def word(self, *fields: str) -> str:
        """What machine.toml says of an entry that these fields make: `chosen` where one was left open."""
        return "chosen" if any(getattr(self, each) is None or each in self.left_open for each in fields) else ""

    def in_ns(self, latency: Latency) -> float:
        """A latency, in ns of this machine's clock."""
        return latency.value if latency.unit == "ns" else latency.value * 1e9 / self.clock_hz


def files(name: str, plan: Plan) -> dict[str, bytes]:
    """All files of the machine's folder, its description among them."""
    text = description(name, plan)
    try:
        made = generate(tomllib.loads(text))
    except EncodingError as error:
        raise PlanError(f"no processor of --vendor {plan.vendor} is like that: {error}") from None
    made["machine.toml"] = text.encode()
    made["README.md"] = _readme(name, plan, made).encode()
    return made


def description(name: str, plan: Plan) -> str:
    """machine.toml: what was stated, and what was chosen, each with a word of which it is."""
    lines = [
        f"# {name}: {summary(plan)}.",
        "# `machine generate` wrote this: it is no machine that there is. What is marked as chosen was left open.",
        "# After a change, `python -m skb.generate FOLDER` makes the other files anew; skb/generate.py tells what",
        "# may stand here.",
        "",
        *_processor(plan),
        "[clocks]",
        _entry("uniform", f"{plan.clock_hz:_}", plan.word("clock_hz")),
        "",
    ]
    if plan.packages > 1:
        lines += ["[interconnect]", _entry("shape", f'"{plan.laid}"', plan.word("shape")), ""]
    lines += [*_memory(plan), *_costs(plan)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _processor(plan: Plan) -> Iterator[str]:
    vendor = VENDORS[plan.vendor]
    *inner, (_, l3) = plan.caches
    sharing = ", the cores of which share an L3" if l3 else ""
    yield "[processor]"
    like = f"in all that is not said here like {vendor.like}"
    yield _entry("encoder", f'"{vendor.encoder}"', f"chosen: {like}" if plan.word("vendor") else like)
    if plan.vendor == "amd":
        yield from (_entry("family", "0x19"), _entry("model", "0x11"), _entry("stepping", "1"))
    else:
        yield from (_entry("model", "0x8f"), _entry("stepping", "8"))
    yield _entry("brand", '"Processor of machine generate"')
    yield _entry("packages", str(plan.packages), plan.word("packages"))
    if plan.vendor == "amd":
        yield _entry("complexes_a_package", str(plan.nodes), f"a node is a complex{sharing}")
        yield _entry("cores_a_complex", str(plan.cores), plan.word("cores"))
        yield _entry("threads_a_core", str(plan.threads), plan.word("threads"))
    else:
        yield _entry("dies_a_package", str(plan.nodes), f"a node is a die{sharing}")
        yield _entry("physical_bits", str(_PHYSICAL_BITS))
    yield _entry("l3", _cache(l3, _L3_WAYS) if l3 else '"none"', plan.word("l3_bytes"))
    if plan.vendor == "intel":
        yield from ("", "[[processor.groups]]", _entry("cores", str(plan.cores), plan.word("cores")))
        yield _entry("threads_a_core", str(plan.threads), plan.word("threads"))
    for level, each in inner:
        ways = _AMD_L2_WAYS if (plan.vendor, level) == ("amd", "L2") else _WAYS
        yield _entry(level.lower(), _cache(each, ways), plan.word(f"{level[:2].lower()}_bytes"))
    yield ""


def _memory(plan: Plan) -> Iterator[str]:
    yield "[memory]"
    memory = size(plan.node_bytes)
    yield _entry("node_bytes", f"{plan.node_bytes:#x}", f"chosen: {memory}" if plan.word("node_bytes") else memory)
    yield _entry("nodes_a_package", str(plan.nodes), plan.word("nodes"))
    yield _entry("hole", f"[{_HOLE[0]:#x}, {_HOLE[1]:#x}]", "chosen: what devices have below 4 GiB")
    yield ""
    yield "[acpi]"
    yield _entry("oem_id", '"PILOT"')
    yield _entry("table_id", '"GENERATE"')
    yield _entry("distance_local", "10", "ACPI 6.5, 5.2.17")
    yield _entry("distance_package", "12", "chosen: as EPYCs have it")
    yield _entry("distance_hop", "10", "chosen: 20 is what Linux takes for another node where no SLIT tells")
    if _no_slit(plan):
        yield f"# No SLIT is written of more than {MOST_SLIT_NODES} nodes."
    yield _entry("io_apics", "[{ id = 240, address = 0xFEC00000, gsi_base = 0 }]", "chosen")
    yield _entry("overrides", "[{ source = 0, gsi = 2, flags = 0 }, { source = 9, gsi = 9, flags = 13 }]", "chosen")
    yield ""


def _no_slit(plan: Plan) -> bool:
    return plan.packages * plan.nodes > MOST_SLIT_NODES


def _costs(plan: Plan) -> Iterator[str]:
    """What messages take, and from where that is; both of the links' in one unit, as rules/distance.pl adds them."""
    effective = plan.effective
    if effective:
        yield "[costs]                         # value, unit, source"
    in_ns = len({effective[option].unit for option in ("hop", "next_hop") if option in effective}) > 1
    for option, latency in effective.items():
        cost, what = RELATIONS[option]
        said = f"--{option.replace('_', '-')}" if option in plan.latencies else "as --hop"
        source = f"generated: {said} {latency.value!r}{latency.unit}: a message {what}"
        value, unit = (plan.in_ns(latency), "ns") if in_ns and "hop" in option else (latency.value, latency.unit)
        yield f'{cost} = [{value!r}, "{unit}", "{source}"]'


def _entry(name: str, value: str, comment: str = "") -> str:
    entry = f"{name} = {value}"
    return f"{entry:31} # {comment}" if comment else entry


def _cache(size_bytes: int, preferred: Sequence[int]) -> str:
    """A cache with the first of these ways that leave a power of two of sets, else a whole number of them."""
    lines = size_bytes // _LINE_BYTES
    found = [ways for ways in preferred if lines % ways == 0]
    even = [ways for ways in found if (lines // ways) & (lines // ways - 1) == 0]
    return f"{{ size_bytes = {size_bytes:#x}, ways = {(even or found)[0]} }}"


def _readme(name: str, plan: Plan, made: Mapping[str, bytes]) -> str:
    what = {
        "machine.toml": "the description that all other files are made from",
        "cpuid.txt": "`cpuid -r` of every CPU",
        "acpi.txt": f"acpidump text: FADT, MADT, SRAT{'' if _no_slit(plan) else ', SLIT'}",
        "facts.pl": "links, clocks, latencies by relation",
    }
    lines = [
        f"# {name}",
        "",
        f"{summary(plan)}.",
        "",
        "`machine generate` made this machine; there is none like it. What was left open is marked as chosen in",
        "`machine.toml`.",
        "",
        "| file | what |",
        "|---|---|",
        *(f"| `{file}` | {what[file]} |" for file in sorted(made)),
    ]
    return "\n".join(lines) + "\n"


def summary(plan: Plan) -> str:
    """The machine in a line."""
    parts = [
        _count(plan.packages, "package"),
        f"{_count(plan.nodes, 'node')} each",
        f"{_count(plan.cores, 'core')} a node",
        f"{_count(plan.threads, 'thread')} a core",
    ]
    linked = f", linked as a {interconnect_words(plan)}" if plan.packages > 1 else ""
    return f"{', '.join(parts)}, {plan.clock_hz / 1e9:g} GHz{linked}"


def interconnect_words(plan: Plan) -> str:
    """The shape, with its columns and rows where it has them."""
    if plan.laid in ("mesh", "torus", "square"):
        columns, rows = interconnect.columns_and_rows(plan.packages)
        return f"{plan.laid} of {columns}x{rows}"
    return f"{plan.laid} of {plan.packages}"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _number(count: int) -> str:
    return str(count) if abs(count) < 10**12 else "a number of more than 12 digits"


def size(size_bytes: int) -> str:
    """A size in the largest unit that divides it."""
    for unit, name in ((1 << 50, "PiB"), (1 << 40, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size_bytes and size_bytes % unit == 0:
            return f"{size_bytes // unit} {name}"
    return f"{size_bytes} bytes"
