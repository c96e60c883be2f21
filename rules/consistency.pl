:- encoding(utf8).
:- module(consistency,
          [ finding/3,                  % ?Severity, ?Rule, -Text
            finding_rule/3              % ?Rule, ?Severity, ?Meaning
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(library(ordsets)).
:- use_module(refusal, [ranges_text/2]).
:- use_module(disagreement).
:- use_module(topology).
:- use_module(pci_consistency).

/** <module> Whether a machine's facts fit together

What `machine check` finds beside contradictions between sources (disagreement.pl): what tables say that cannot be, or that a
machine is unlikely to be like. A rule is a predicate of one argument, the text of what it found, with an answer for each thing
found; none of them when nothing is wrong. Rules about PCI are in pci_consistency.pl.
*/

%!  finding(?Severity, ?Rule, -Text) is nondet.
%
%   What is said of the machine breaks Rule, as Text says. Severity is `error` (it cannot be so), `warning` (it is unlikely to
%   be so, or something is missing that rules need) or `note` (real machines are so, but whoever reads facts should know).

finding(Severity, Rule, Text) :-
    member(Severity, [error, warning, note]),
    finding_rule(Rule, Severity, _),
    call(Rule, Text).

%!  finding_rule(?Rule, ?Severity, ?Meaning) is nondet.
%
%   Rule is one of those that finding/3 tries; Meaning says in a line what breaks it.

finding_rule(core_without_package, error, "cores that no source places on a package").
finding_rule(core_without_clock, error, "cores whose clock no source tells").
finding_rule(core_without_node, warning, "cores in no NUMA node, where others are in one").
finding_rule(repeated_place, error, "cores that are the same thread of the same core").
finding_rule(repeated_hardware_id, error, "cores with the same local APIC id").
finding_rule(mixed_numbering, error, "cores placed by sources that number packages differently").
finding_rule(cores_numbered_otherwise, error, "sources that number the cores differently").
finding_rule(packages_numbered_otherwise, note, "sources that number packages differently").
finding_rule(grouped_otherwise, warning, "caches and dies that two sources give to different cores").
finding_rule(clocks_differ_in_kind, warning, "cores of one kind with different clocks").
finding_rule(cache_differs_among_sharers, error, "one cache with several sizes or line sizes").
finding_rule(cache_shared_by_others, warning, "caches said to be shared by more or fewer cores than name them").
finding_rule(cache_spans_packages, error, "caches shared by cores of several packages").
finding_rule(die_spans_packages, error, "dies with cores of several packages").
finding_rule(bad_checksum, warning, "tables whose bytes do not add up to their checksum").
finding_rule(repeated_table, note, "tables that firmware gives twice, of which one counts").
finding_rule(repeated_apic, error, "local APICs that the MADT enables twice").
finding_rule(affinity_without_apic, warning, "processors of the SRAT that the MADT does not have, or not enabled").
finding_rule(apic_without_affinity, warning, "processors that the MADT enables and the SRAT does not place").
finding_rule(apic_without_core, warning, "processors that the MADT enables and no core is").
finding_rule(core_without_apic, warning, "cores that the MADT does not have, or not enabled").
finding_rule(domains_numbered_otherwise, note, "proximity domains that the operating system numbers otherwise").
finding_rule(distance_to_itself, warning, "nodes whose distance to themselves is not 10").
finding_rule(distance_too_short, warning, "nodes as near to each other as to themselves, or nearer").
finding_rule(distance_asymmetric, warning, "nodes farther one way than the other").
finding_rule(distance_missing, warning, "nodes between which no distance is told").
finding_rule(distance_of_no_node, note, "nodes of the SLIT with neither cores nor memory").
finding_rule(memory_overlap, error, "ranges of memory that overlap").
finding_rule(node_without_memory, note, "nodes with cores and without memory").
finding_rule(link_to_nowhere, error, "links, tiles and memory controllers of packages that are not there").
finding_rule(package_unreachable, warning, "packages that no links connect").
finding_rule(latency_of_no_core, error, "latencies measured between cores that are not there").
finding_rule(latency_missing, warning, "cores between which no latency was measured, where it was between others").
finding_rule(latency_zero, note, "latencies below the resolution of the clock they were measured by").
finding_rule(Rule, Severity, Meaning) :-
    pci_finding_rule(Rule, Severity, Meaning).

%   cores_text(+Cores, -Text): `core 3`, `cores 0-3,8`.

cores_text(Cores, Text) :-
    things_text(core, Cores, Text).

things_text(Thing, [Number], Text) :-
    !,
    format(string(Text), "~w ~w", [Thing, Number]).
things_text(Thing, Numbers0, Text) :-
    sort(Numbers0, Numbers),
    ranges_text(Numbers, Ranges),
    format(string(Text), "~ws ~w", [Thing, Ranges]).

%   some(-Found, :Goal, -All): Goal has answers, All of them sorted.

:- meta_predicate some(?, 0, -).

some(Each, Goal, All) :-
    findall(Each, Goal, All0),
    sort(All0, All),
    All = [_|_].

% -- cores

%!  core_without_package(-Text) is semidet.
%
%   No source places these cores (cpu_thread/4): no policy can tell what is near them.

core_without_package(Text) :-
    some(Core, ( core(Core), \+ package_of(Core, _) ), Cores),
    cores_text(Cores, CoresText),
    format(string(Text), "~w: on no package; cpuid, sysfs or hwloc would tell", [CoresText]).

%!  core_without_clock(-Text) is semidet.
%
%   Without a clock (cpu_clock/2) cycles are no time, and the machine cannot be booted.

core_without_clock(Text) :-
    some(Core, ( core(Core), \+ clock_hz(Core, _) ), Cores),
    cores_text(Cores, CoresText),
    format(string(Text), "~w: no clock; state cpu_clock/2 in facts.pl", [CoresText]).

%!  core_without_node(-Text) is semidet.
%
%   Other cores are in a NUMA node by the same kind of fact; these are taken to be in the first one.

core_without_node(Text) :-
    some(Core, ( core(Core), \+ placed_in_node(Core) ), Cores),
    \+ \+ ( core(Other), placed_in_node(Other) ),
    cores_text(Cores, CoresText),
    format(string(Text), "~w: in no NUMA node; taken to be in the first", [CoresText]).

placed_in_node(Core) :-
    (   facts:cpu_node(_, _)
    ->  facts:cpu_node(Core, _)
    ;   apic_of(Core, ApicId),
        facts:cpu_affinity(ApicId, _, _)
    ),
    !.

%!  repeated_place(-Text) is nondet.
%
%   Two cores are the same hardware thread of the same core.

repeated_place(Text) :-
    findall(place(Package, Within, Thread)-Core, facts:cpu_thread(Core, Package, Within, Thread), Places),
    repeated(Places, place(Package, Within, Thread), Cores),
    cores_text(Cores, CoresText),
    format(string(Text), "~w: all are thread ~w of core ~w of package ~w",
           [CoresText, Thread, Within, Package]).

%   repeated(+Pairs, ?Key, -Values): a key that more than one value has.

repeated(Pairs0, Key, Values) :-
    sort(Pairs0, Pairs),
    group_pairs_by_key(Pairs, Groups),
    member(Key-Values, Groups),
    Values = [_, _|_].

%!  repeated_hardware_id(-Text) is nondet.
%
%   Two cores have the same local APIC id (or MPIDR). Those on a card, and those that share no memory, are systems of their own.

repeated_hardware_id(Text) :-
    findall((Id/System)-Core, ( facts:corename(Core, _, Id), system_of(Core, System) ), Ids),
    repeated(Ids, Id/_, Cores),
    cores_text(Cores, CoresText),
    format(string(Text), "~w: all are ~w", [CoresText, Id]).

%   system_of(+Core, -System): cores of different systems may have the same ids.

system_of(Core, System) :-
    (   facts:memory_domain(Core, Domain)
    ->  System = memory(Domain)
    ;   facts:device_core(Address, Core)
    ->  System = card(Address)
    ;   System = board
    ).

%!  mixed_numbering(-Text) is nondet.
%
%   Some cores are placed by one source, others by another which numbers the packages differently, so that cores that are
%   not together have one package number.

mixed_numbering(Text) :-
    renumbered_packages(Source, Other, _),
    some(Core, store:fact_source(cpu_thread(Core, _, _, _), Other), Cores),
    cores_text(Cores, CoresText),
    format(string(Text), "~w: placed by ~w alone, which numbers packages otherwise than ~w", [CoresText, Other, Source]).

%!  cores_numbered_otherwise(-Text) is nondet.
%
%   Two sources know the same local APICs by different core numbers (Linux and Windows count threads in another order):
%   whatever is said of a core then mixes two.

cores_numbered_otherwise(Text) :-
    findall(Source-Core-Id,
            ( member(Source, [cpuid, sysfs]), store:says(Source, corename(Core, _, Id)) ),
            Names),
    findall(Id-Core, member(cpuid-Core-Id, Names), Ours0),
    findall(Id-Core, member(sysfs-Core-Id, Names), Theirs0),
    keysort(Ours0, Ours),
    keysort(Theirs0, Theirs),
    pairs_keys(Ours, Ids),
    pairs_keys(Theirs, Ids),
    findall(core(Id, Core, There),
            ( nth1(N, Ours, Id-Core), nth1(N, Theirs, Id-There), Core \== There ),
            [core(Id, Core, There)|More]),
    length(More, Others),
    format(string(Text),
           "~w is core ~w to cpuid and core ~w to sysfs, and ~w others likewise: dump both on one system",
           [Id, Core, There, Others]).

%!  packages_numbered_otherwise(-Text) is nondet.
%
%   The same packages by other numbers; facts have those of the source that is believed.

packages_numbered_otherwise(Text) :-
    renumbered_packages(Source, Other, Pairs),
    pairs_keys_values(Pairs, Packages, Others),
    things_text(package, Packages, PackagesText),
    atomic_list_concat(Others, ',', OthersText),
    format(string(Text), "~w of ~w are ~w to ~w; the former are used", [PackagesText, Source, OthersText, Other]).

%!  grouped_otherwise(-Text) is nondet.
%
%   Two sources give a die or a cache to different cores. What the first says is believed.

grouped_otherwise(Text) :-
    disagreement:grouped_otherwise(What, Source, Cores, Other, OtherCores),
    group_text(What, WhatText),
    cores_text(Cores, CoresText),
    cores_text(OtherCores, OtherText),
    format(string(Text), "~w: ~w to ~w, ~w to ~w; the former is believed",
           [WhatText, CoresText, Source, OtherText, Other]).

group_text(die, "die").
group_text(cache(Level, Type), Text) :-
    cache_text(Level, Type, Text).

cache_text(Level, Type, Text) :-
    (   member(Type-Letter, [data-d, instr-i])
    ->  format(string(Text), "L~w~w cache", [Level, Letter])
    ;   format(string(Text), "L~w cache", [Level])
    ).

%!  clocks_differ_in_kind(-Text) is nondet.
%
%   Cores of one kind (core_type/2) and one processor (cpu_family/5) have different clocks: some may have been throttled
%   when they were asked, or only the highest clock of each is known.

clocks_differ_in_kind(Text) :-
    findall((Kind/Family/System)-(Hertz-Core),
            ( core_type(Core, Kind),
              clock_hz(Core, Hertz),
              system_of(Core, System),
              ( facts:cpu_family(Core, _, F, M, S) -> Family = F-M-S ; Family = unknown )
            ),
            Clocks0),
    keysort(Clocks0, Clocks),
    group_pairs_by_key(Clocks, Kinds),
    member((Kind/_/_)-Own0, Kinds),
    sort(Own0, Own),
    group_pairs_by_key(Own, Groups),
    Groups = [_, _|_],
    findall(Part,
            ( member(Hertz-Cores, Groups),
              cores_text(Cores, CoresText),
              Gigahertz is Hertz / 1.0e9,
              format(string(Part), "~w ~3f GHz", [CoresText, Gigahertz])
            ),
            Parts),
    length(Groups, Count),
    listed(Parts, 4, List),
    format(string(Text), "~w cores have ~w clocks: ~w", [Kind, Count, List]).

%   listed(+Parts, +Most, -Text): the first Most of them, and how many more there are.

listed(Parts, Most, Text) :-
    length(Parts, Count),
    (   Count =< Most
    ->  atomics_to_string(Parts, Text)
    ;   length(First, Most),
        append(First, _, Parts),
        More is Count - Most,
        format(string(Rest), "~w more", [More]),
        append(First, [Rest], Shown),
        atomics_to_string(Shown, Text)
    ).

atomics_to_string(Parts, Text) :-
    atomic_list_concat(Parts, ', ', Atom),
    atom_string(Atom, Text).

% -- caches and dies

%!  cache_differs_among_sharers(-Text) is nondet.
%
%   Cores that share a cache (cpu_cache_id/4) tell different sizes, ways or line sizes of it.

cache_differs_among_sharers(Text) :-
    findall(cache(Level, Type, Cache)-geometry(Size, Ways, Line),
            ( facts:cpu_cache_id(Core, Level, Type, Cache),
              facts:cpu_cache(Core, _, Level, Type, Size, Ways, Line, _, _)
            ),
            Told),
    repeated(Told, cache(Level, Type, Cache), Geometries),
    cache_text(Level, Type, CacheText),
    findall(Core, facts:cpu_cache_id(Core, Level, Type, Cache), Cores),
    cores_text(Cores, CoresText),
    findall(Part,
            ( member(geometry(Size, Ways, Line), Geometries),
              format(string(Part), "~w B in ~w ways of ~w B lines", [Size, Ways, Line])
            ),
            Parts),
    listed(Parts, 3, List),
    format(string(Text), "~w of ~w: ~w", [CacheText, CoresText, List]).

%!  cache_shared_by_others(-Text) is nondet.
%
%   A cache is shared by so many cores (cpu_cache/9), but as many do not name it (cpu_cache_id/4).

cache_shared_by_others(Text) :-
    findall(cache(Level, Type, Cache)-Core, facts:cpu_cache_id(Core, Level, Type, Cache), Named0),
    sort(Named0, Named),
    group_pairs_by_key(Named, Caches),
    member(cache(Level, Type, _)-Cores, Caches),
    length(Cores, Count),
    Cores = [First|_],
    facts:cpu_cache(First, _, Level, Type, _, _, _, Shared, _),
    Shared =\= Count,
    cache_text(Level, Type, CacheText),
    cores_text(Cores, CoresText),
    format(string(Text), "~w of ~w: said to be shared by ~w", [CacheText, CoresText, Shared]).

%!  cache_spans_packages(-Text) is nondet.
%
%   No cache is shared by cores of different packages.

cache_spans_packages(Text) :-
    findall(cache(Level, Type, Cache)-Package,
            ( facts:cpu_cache_id(Core, Level, Type, Cache), facts:cpu_thread(Core, Package, _, _) ),
            Pairs),
    repeated(Pairs, cache(Level, Type, Cache), Packages),
    cache_text(Level, Type, CacheText),
    findall(Core, facts:cpu_cache_id(Core, Level, Type, Cache), Cores),
    cores_text(Cores, CoresText),
    things_text(package, Packages, PackagesText),
    format(string(Text), "~w of ~w: they are on ~w", [CacheText, CoresText, PackagesText]).

%!  die_spans_packages(-Text) is nondet.
%
%   A die is within one package.

die_spans_packages(Text) :-
    findall(Die-Package, ( facts:cpu_die(Core, Die), facts:cpu_thread(Core, Package, _, _) ), Pairs),
    repeated(Pairs, Die, Packages),
    things_text(package, Packages, PackagesText),
    format(string(Text), "die ~w: its cores are on ~w", [Die, PackagesText]).

% -- firmware

%!  bad_checksum(-Text) is nondet.
%
%   The bytes of an ACPI table must add up to 0 modulo 256 (ACPI 6.5, 5.2.6).

bad_checksum(Text) :-
    facts:acpi_table(Signature, Instance, Length, _, _, bad),
    table_text(Signature, Instance, Name),
    format(string(Text), "~w: its ~w bytes do not add up to 0", [Name, Length]).

table_text(Signature, 1, Signature) :- !.
table_text(Signature, Instance, Text) :-
    format(string(Text), "~w ~w", [Signature, Instance]).

%!  repeated_table(-Text) is nondet.
%
%   There may be many SSDTs, but a system reads one of each of the tables that tell the topology.

repeated_table(Text) :-
    member(Signature, ['APIC', 'SRAT', 'SLIT', 'HMAT', 'MCFG', 'FACP', 'DMAR', 'PPTT', 'HPET']),
    findall(Instance, facts:acpi_table(Signature, Instance, _, _, _, _), Instances),
    length(Instances, Count),
    Count > 1,
    format(string(Text), "~w: there are ~w; the one that the XSDT names first is used, else the first", [Signature, Count]).

enabled_apics(Ids) :-
    some(Id, facts:apic(_, Id, 1), Ids).

%!  repeated_apic(-Text) is nondet.
%
%   Two enabled entries of the MADT have one APIC id.

repeated_apic(Text) :-
    findall(Id-Processor, facts:apic(Processor, Id, 1), Pairs),
    repeated(Pairs, Id, Processors),
    things_text(processor, Processors, ProcessorsText),
    format(string(Text), "APIC ~w: enabled as ~w", [Id, ProcessorsText]).

%!  affinity_without_apic(-Text) is semidet.
%
%   The SRAT places processors that the MADT does not have, or that it does not enable.

affinity_without_apic(Text) :-
    enabled_apics(Enabled),
    some(Id, facts:cpu_affinity(Id, _, _), Placed),
    ord_subtract(Placed, Enabled, Missing),
    Missing = [_|_],
    things_text('APIC', Missing, MissingText),
    format(string(Text), "~w: placed by the SRAT, but not enabled by the MADT", [MissingText]).

%!  apic_without_affinity(-Text) is semidet.
%
%   There is an SRAT, but it leaves out processors that the MADT enables.

apic_without_affinity(Text) :-
    enabled_apics(Enabled),
    some(Id, facts:cpu_affinity(Id, _, _), Placed),
    ord_subtract(Enabled, Placed, Missing),
    Missing = [_|_],
    things_text('APIC', Missing, MissingText),
    format(string(Text), "~w: enabled by the MADT, but not placed by the SRAT", [MissingText]).

core_apics(Ids) :-
    some(Id, facts:corename(_, _, apic(Id)), Ids).

%!  apic_without_core(-Text) is semidet.
%
%   The MADT enables processors that no core is: the dump of the processors is of a part of the machine, or of another.

apic_without_core(Text) :-
    enabled_apics(Enabled),
    core_apics(Ours),
    ord_subtract(Enabled, Ours, Missing),
    Missing = [_|_],
    things_text('APIC', Missing, MissingText),
    format(string(Text), "~w: enabled by the MADT, but no core has it", [MissingText]).

%!  core_without_apic(-Text) is semidet.
%
%   There is a MADT, but it does not enable these cores: the dumps are of different machines, or of different settings.

core_without_apic(Text) :-
    enabled_apics(Enabled),
    some(Core,
         ( facts:corename(Core, _, apic(Id)),
           \+ ord_memberchk(Id, Enabled),
           \+ facts:device_core(_, Core)
         ),
         Cores),
    cores_text(Cores, CoresText),
    format(string(Text), "~w: not enabled by the MADT; are the dumps of one machine?", [CoresText]).

%!  domains_numbered_otherwise(-Text) is semidet.
%
%   Linux numbers nodes in the order in which the SRAT names their domains. Facts of the firmware have the domain's number.

domains_numbered_otherwise(Text) :-
    some(Domain-Node, ( domain_of_node(Domain, Node), Domain \== Node ), Pairs),
    findall(Part, ( member(Domain-Node, Pairs), format(string(Part), "~w is node ~w", [Domain, Node]) ), Parts),
    listed(Parts, 8, List),
    format(string(Text), "proximity domains: ~w", [List]).

% -- nodes and memory

%!  distance_to_itself(-Text) is nondet.
%
%   The SLIT's diagonal is 10 (ACPI 6.5, 5.2.17).

distance_to_itself(Text) :-
    facts:node_distance(Node, Node, Distance),
    Distance =\= 10,
    format(string(Text), "node ~w: its distance to itself is ~w, not 10", [Node, Distance]).

%!  distance_too_short(-Text) is nondet.
%
%   Values 0 to 9 are reserved, and another node is farther than one's own (ACPI 6.5, 5.2.17).

distance_too_short(Text) :-
    facts:node_distance(From, To, Distance),
    From \== To,
    Distance =< 10,
    format(string(Text), "nodes ~w and ~w: the distance from one to the other is ~w", [From, To, Distance]).

%!  distance_asymmetric(-Text) is nondet.
%
%   A way back is as long as the way there on real interconnects.

distance_asymmetric(Text) :-
    facts:node_distance(From, To, Distance),
    From < To,
    facts:node_distance(To, From, Back),
    Distance =\= Back,
    format(string(Text), "nodes ~w and ~w: ~w one way, ~w the other", [From, To, Distance, Back]).

real_nodes(Nodes) :-
    some(Node,
         ( facts:cpu_node(_, Node)
         ; facts:node_memory(Node, _)
         ; \+ facts:cpu_node(_, _), facts:cpu_affinity(_, _, Node)
         ; \+ facts:cpu_node(_, _), facts:memory_affinity(_, _, Node)
         ),
         Nodes).

%!  distance_missing(-Text) is semidet.
%
%   Distances are told, but not between all nodes: those are taken to be as far as can be.

distance_missing(Text) :-
    real_nodes(Nodes),
    once(facts:node_distance(_, _, _)),
    some(From-To,
         ( member(From, Nodes), member(To, Nodes), From \== To, \+ facts:node_distance(From, To, _),
           \+ apart(From, To)
         ),
         Pairs),
    length(Pairs, Count),
    Pairs = [From-To|_],
    format(string(Text), "~w ways between nodes have no distance, such as that from ~w to ~w", [Count, From, To]).

%   apart(+Node, +Other): they are of systems that do not share memory.

apart(Node, Other) :-
    cores_of_node(Node, [Core|_]),
    cores_of_node(Other, [OtherCore|_]),
    system_of(Core, System),
    system_of(OtherCore, OtherSystem),
    System \== OtherSystem.

%!  distance_of_no_node(-Text) is semidet.
%
%   The SLIT counts domains from 0 on; some may have neither processors nor memory.

distance_of_no_node(Text) :-
    real_nodes(Nodes),
    some(Node, facts:node_distance(Node, _, _), Told),
    ord_subtract(Told, Nodes, Empty),
    Empty = [_|_],
    things_text(node, Empty, EmptyText),
    format(string(Text), "~w: distances are told, but neither cores nor memory", [EmptyText]).

%!  memory_overlap(-Text) is nondet.
%
%   No byte is in two ranges of the SRAT, nor of the northbridges' tables.

memory_overlap(Text) :-
    (   findall(range(Base, Limit, Node),
                ( facts:memory_affinity(Base, Length, Node), Length > 0, Limit is Base + Length - 1 ),
                Ranges)
    ;   findall(range(Base, Limit, Node), facts:ht_dram(Node, Base, Limit), Ranges)
    ),
    sort(Ranges, Sorted),
    overlapping(Sorted, range(Base, Limit, Node), range(OtherBase, _, Other)),
    format(string(Text), "memory 0x~16r-0x~16r of node ~w overlaps that from 0x~16r on of node ~w",
           [Base, Limit, Node, OtherBase, Other]).

%   overlapping(+Sorted, -Range, -Next): Next begins before Range, the one that reaches farthest before it, has ended.

overlapping([First|Rest], Range, Next) :-
    overlapping(Rest, First, Range, Next).

overlapping([One|Rest], Farthest, Range, Next) :-
    Farthest = range(_, Limit, _),
    One = range(Base, OneLimit, _),
    (   Base =< Limit,
        Range = Farthest,
        Next = One
    ;   ( OneLimit > Limit -> Farther = One ; Farther = Farthest ),
        overlapping(Rest, Farther, Range, Next)
    ).

%!  node_without_memory(-Text) is semidet.
%
%   Cores of these nodes have all their memory elsewhere, where nodes are told to have some.

node_without_memory(Text) :-
    (   facts:node_memory(_, _)
    ->  findall(Node, ( facts:node_memory(Node, Size), Size > 0 ), With0)
    ;   findall(Node, ( facts:memory_affinity(_, Length, Node), Length > 0 ), With0)
    ),
    With0 = [_|_],
    sort(With0, With),
    some(Node, cores_of_node(Node, _), Nodes),
    ord_subtract(Nodes, With, Without),
    Without = [_|_],
    things_text(node, Without, WithoutText),
    format(string(Text), "~w: cores, but no memory", [WithoutText]).

% -- links and measurements

%!  link_to_nowhere(-Text) is nondet.
%
%   What is stated of packages is of packages that hold cores.

link_to_nowhere(Text) :-
    packages(Packages),
    member(What,
           [ "an ht_link", "a tile", "a memory controller", "a PCI root" ]),
    some(Package, ( at_package(What, Package), \+ ord_memberchk(Package, Packages) ), Missing),
    things_text(package, Missing, MissingText),
    format(string(Text), "~w: ~w is stated, but no core is there", [MissingText, What]).

at_package("an ht_link", Package) :- facts:ht_link(A, B), member(Package, [A, B]).
at_package("a tile", Package) :- facts:tile(Package, _, _).
at_package("a memory controller", Package) :- facts:memory_controller(_, Package).
at_package("a PCI root", Package) :- facts:rootcomplex_addr(Package, _), integer(Package).

%!  package_unreachable(-Text) is semidet.
%
%   Links are stated (ht_link/2), but lead from the first package to some of the others only.

package_unreachable(Text) :-
    once(facts:ht_link(_, _)),
    packages([First|Others]),
    some(Package, ( member(Package, Others), \+ package_hops(First, Package, _) ), Missing),
    things_text(package, Missing, MissingText),
    format(string(Text), "~w: no links lead there from package ~w", [MissingText, First]).

measured_cores(Measured) :-
    some(Core, ( facts:core_latency(Core, _, _, _) ; facts:core_latency(_, Core, _, _) ), Measured).

%!  latency_of_no_core(-Text) is semidet.
%
%   The matrix of latencies has rows of cores that the machine does not have.

latency_of_no_core(Text) :-
    findall(Core, core(Core), Cores0),
    Cores0 = [_|_],
    sort(Cores0, Cores),
    (   What = "latencies are measured",
        measured_cores(Measured)
    ;   What = "round trips are measured",
        some(Core, ( facts:message_rtt(Core, _, _, _, _, _) ; facts:message_rtt(_, Core, _, _, _, _) ), Measured)
    ),
    ord_subtract(Measured, Cores, Missing),
    Missing = [_|_],
    cores_text(Missing, MissingText),
    format(string(Text), "~w: ~w, but there is no such core", [MissingText, What]).

%!  latency_missing(-Text) is semidet.
%
%   Latencies were measured, but not between all cores.

latency_missing(Text) :-
    measured_cores(_),
    findall(Core, core(Core), Cores),
    length(Cores, Count),
    Whole is Count * (Count - 1),
    findall(Core, ( facts:core_latency(Core, To, _, _), To \== Core, core(Core), core(To) ), Found),
    length(Found, Told),
    Told < Whole,
    Missing is Whole - Told,
    msort(Found, Sorted),
    sort(Sorted, Known),
    sort(Cores, All),
    ord_subtract(All, Known, Unknown),
    (   Unknown == []
    ->  format(string(Text), "~w of ~w ways between cores have no latency", [Missing, Whole])
    ;   cores_text(Unknown, UnknownText),
        format(string(Text), "~w of ~w ways between cores have no latency: ~w", [Missing, Whole, UnknownText])
    ).

%!  latency_zero(-Text) is semidet.
%
%   A message takes time; the program's clock did not tell it.

latency_zero(Text) :-
    some(From-To, ( facts:core_latency(From, To, Latency, _), Latency =:= 0, From \== To ), Pairs),
    length(Pairs, Count),
    Pairs = [From-To|_],
    format(string(Text), "~w latencies are 0, such as that from core ~w to core ~w", [Count, From, To]).

%   Users' rules may ask what does not fit; it only looks things up (safety.pl).

:- multifile sandbox:safe_primitive/1.

sandbox:safe_primitive(consistency:finding(_, _, _)).
