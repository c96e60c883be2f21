:- encoding(utf8).
:- module(consistency,
          [ finding/3,                  % ?Severity, ?Rule, -Text
            finding_rule/3              % ?Rule, ?Severity, ?Meaning
          ]).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(library(ordsets)).
:- use_module(disagreement).
:- use_module(topology).
:- use_module(findings).
:- use_module(firmware_consistency).
:- use_module(pci_consistency).

/** <module> Whether a machine's facts fit together

What `machine check` finds beside contradictions between sources (disagreement.pl): what tables say that cannot be, or that a
machine is unlikely to be like. A rule is a predicate of one argument, the text of what it found, with an answer for each thing
found; none of them when nothing is wrong. Here are those of cores, caches, links and measurements; the others are in
firmware_consistency.pl and pci_consistency.pl.
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
finding_rule(link_to_nowhere, error, "links, tiles and memory controllers of packages that are not there").
finding_rule(package_unreachable, warning, "packages that no links connect").
finding_rule(latency_of_no_core, error, "latencies measured between cores that are not there").
finding_rule(latency_missing, warning, "cores between which no latency was measured, where it was between others").
finding_rule(latency_zero, note, "latencies below the resolution of the clock they were measured by").
finding_rule(Rule, Severity, Meaning) :-
    firmware_finding_rule(Rule, Severity, Meaning).
finding_rule(Rule, Severity, Meaning) :-
    pci_finding_rule(Rule, Severity, Meaning).

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

%!  repeated_hardware_id(-Text) is nondet.
%
%   Two cores have the same local APIC id (or MPIDR). Those on a card, and those that share no memory, are systems of their own.

repeated_hardware_id(Text) :-
    findall((Id/System)-Core, ( facts:corename(Core, _, Id), system_of(Core, System) ), Ids),
    repeated(Ids, Id/_, Cores),
    cores_text(Cores, CoresText),
    format(string(Text), "~w: all are ~w", [CoresText, Id]).

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
