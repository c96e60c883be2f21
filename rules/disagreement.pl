:- encoding(utf8).
:- module(disagreement,
          [ contradiction/4,            % ?Fact, ?Source, ?Other, ?OtherSource
            grouped_otherwise/5,        % ?What, ?Source, -Cores, ?OtherSource, -OtherCores
            renumbered_packages/3       % ?Source, ?OtherSource, -Pairs
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(library(ordsets)).
:- use_module(vocabulary).
:- use_module(topology, [domain_node/2]).
:- use_module(store, [says/2, precedence/1, generation/1, overruled/4, fact_source/2]).

/** <module> Where the sources of one machine disagree

The store tells which fact overrules which. Not every such pair is a disagreement: a source may not know what another
does (untold/4 of the vocabulary), may tell it less precisely, or may count things from another number on. What a thing is
called is not compared, but which cores belong to it: two sources that number packages differently agree if they put
the same cores together.

Cores themselves are compared by number, which is the operating system's in every source but acpi. The firmware knows
processors by their APIC ids, and corename/3 joins the two; its proximity domains are joined to the system's nodes by the
processors in them (domain_node/2).
*/

%!  contradiction(?Fact, ?Source, ?Other, ?OtherSource) is nondet.
%
%   Fact holds because Source says so, which overrules Other that OtherSource says; both cannot be true.

contradiction(Fact, Source, Other, OtherSource) :-
    overruled(Fact, Source, Other, OtherSource),
    \+ ( OtherSource == acpi, by_domain(Other), other_domains ),
    disagree(Fact, Source, Other, OtherSource).
contradiction(Fact, Source, Other, acpi) :-
    by_domain(Other),
    other_domains,
    says(acpi, Other),
    in_nodes(Other, Translated),
    vocabulary_key(Translated, Fact),
    facts:Fact,
    once(fact_source(Fact, Source)),
    Source \== acpi,
    disagree(Fact, Source, Translated, acpi).

%   disagree(+Fact, +Source, +Other, +OtherSource): of equal keys, they differ in something that both sources tell.

disagree(Fact, Source, Other, OtherSource) :-
    Fact = cpu_thread(Core, _, _, _),
    numbers_for_itself(Source),
    numbers_for_itself(OtherSource),
    !,
    generation(Generation),
    ( What = package ; What = physical_core ),
    misplaced(Generation, What, Source, OtherSource, Cores),
    ord_memberchk(Core, Cores),
    Other \== Fact,
    !.
disagree(Fact, Source, Other, OtherSource) :-
    functor(Fact, Name, Arity),
    declared(Name, Arity, fact, Args, _, _),
    nth1(Position, Args, Argument:Type),
    Type \= label(_),
    arg(Position, Fact, Value),
    arg(Position, Other, OtherValue),
    Value \== OtherValue,
    \+ tells_nothing(Source, Name/Arity, Argument, Value),
    \+ tells_nothing(OtherSource, Name/Arity, Argument, OtherValue),
    \+ same(Name, Argument, Value, OtherValue, Source-OtherSource),
    !.

tells_nothing(Source, Predicate, Argument, Value) :-
    untold(Predicate, Argument, Value, Sources),
    (   Sources == all
    ->  true
    ;   memberchk(Source, Sources)
    ).

%   same(+Predicate, +Argument, +Value, +Other, +Sources): two ways to tell the same.

same(cpu_clock, clock, Hertz, Other, _) :-                      % nominal and measured clocks
    abs(Hertz - Other) * 100 =< max(Hertz, Other).
same(memory_latency, latency, Picoseconds, Other, _) :-         % Linux rounds up to whole ns
    abs(Picoseconds - Other) < 1000.
same(cpu_cache, shared, _, _, Source-Other) :-                  % where they know different cores
    numbers_for_itself(Source),
    numbers_for_itself(Other),
    generation(Generation),
    \+ same_cores(Generation, Source, Other).
same(cpu_kind, kind, Kind, Other, Sources) :-                   % hwloc and Linux have one name for both
    msort([Kind, Other], [efficiency, low_power]),
    ( Sources = hwloc-_ ; Sources = _-hwloc ; Sources = sysfs-_ ; Sources = _-sysfs ),
    !.

:- table same_cores/3.

same_cores(_, Source, Other) :-
    findall(Core, says(Source, cpu_thread(Core, _, _, _)), Cores0),
    findall(Core, says(Other, cpu_thread(Core, _, _, _)), Others0),
    sort(Cores0, Cores),
    sort(Others0, Cores).

%   Dumps number packages, cores within them and threads as they please; what a person states is in the machine's numbers.

numbers_for_itself(cpuid).
numbers_for_itself(sysfs).
numbers_for_itself(hwloc).

% -- who belongs together

%   member_of(?What, +Source, ?Core, ?Label): Source says that Core is on the What it calls Label.

member_of(package, Source, Core, Package) :-
    says(Source, cpu_thread(Core, Package, _, _)).
member_of(physical_core, Source, Core, Package-Within) :-
    says(Source, cpu_thread(Core, Package, Within, _)).
member_of(die, Source, Core, Die) :-
    says(Source, cpu_die(Core, Die)).
member_of(cache(Level, Type), Source, Core, Cache) :-
    says(Source, cpu_cache_id(Core, Level, Type, Cache)).

%   classes(+Generation, +What, +Source, -Labelled): Labelled has Label-Cores for each What of Source.

:- table classes/4, misplaced/5, kinds_of_cache/2.

classes(_, What, Source, Labelled) :-
    findall(Label-Core, member_of(What, Source, Core, Label), Pairs0),
    sort(Pairs0, Pairs),
    group_pairs_by_key(Pairs, Labelled).

%   misplaced(+Generation, +What, +Source, +Other, -Cores): the cores that Source and Other, of the cores which both know,
%   put together with different ones.

misplaced(Generation, What, Source, Other, Cores) :-
    common_classes(Generation, What, Source, Other, Ours, Theirs),
    ord_subtract(Ours, Theirs, Odd),
    append(Odd, Cores0),
    sort(Cores0, Cores).

common_classes(Generation, What, Source, Other, Ours, Theirs) :-
    classes(Generation, What, Source, Labelled),
    classes(Generation, What, Other, Others),
    pairs_values(Labelled, Ours0),
    pairs_values(Others, Theirs0),
    append(Ours0, Known0),
    sort(Known0, Known),
    append(Theirs0, KnownThere0),
    sort(KnownThere0, KnownThere),
    restricted(Ours0, KnownThere, Ours),
    restricted(Theirs0, Known, Theirs).

restricted(Classes0, Known, Classes) :-
    findall(Common,
            ( member(Class, Classes0),
              ord_intersection(Class, Known, Common),
              Common = [_|_]
            ),
            Classes1),
    sort(Classes1, Classes).

kinds_of_cache(_, Kinds) :-
    findall(cache(Level, Type), facts:cpu_cache_id(_, Level, Type, _), Kinds0),
    sort(Kinds0, Kinds).

%!  grouped_otherwise(?What, ?Source, -Cores, ?OtherSource, -OtherCores) is nondet.
%
%   By Source, Cores are those of one What (die or cache(Level, Type)); by OtherSource, a source of lower precedence, the
%   first of them is with OtherCores. Of the cores that only one of the two knows nothing is said.

grouped_otherwise(What, Source, Cores, Other, OtherCores) :-
    generation(Generation),
    kinds_of_cache(Generation, Kinds),
    member(What, [die|Kinds]),
    pair_of_dumps(Source, Other),
    common_classes(Generation, What, Source, Other, Ours, Theirs),
    member(Cores, Ours),
    \+ ord_memberchk(Cores, Theirs),
    Cores = [First|_],
    once(( member(OtherCores, Theirs), ord_memberchk(First, OtherCores) )).

pair_of_dumps(Source, Other) :-
    precedence(Sources),
    append(_, [Source|Later], Sources),
    numbers_for_itself(Source),
    member(Other, Later),
    numbers_for_itself(Other).

%!  renumbered_packages(?Source, ?OtherSource, -Pairs) is nondet.
%
%   Source and OtherSource put the same cores on a package, but call it by different numbers: Pairs has Number-Other for
%   each package of Source that OtherSource knows.

renumbered_packages(Source, Other, Pairs) :-
    generation(Generation),
    pair_of_dumps(Source, Other),
    misplaced(Generation, package, Source, Other, []),
    classes(Generation, package, Source, Labelled),
    findall(Package-There,
            ( member(Package-Cores, Labelled),
              once(( member(Core, Cores), says(Other, cpu_thread(Core, There, _, _)) ))
            ),
            Pairs),
    \+ forall(member(Package-There, Pairs), Package == There).

% -- the firmware's domains

%   other_domains: some node's number is not that of its domain.

other_domains :-
    domain_node(Domain, Node),
    Domain \== Node,
    !.

by_domain(node_distance(_, _, _)).
by_domain(memory_latency(_, _, _, _, _)).
by_domain(memory_bandwidth(_, _, _, _, _)).

%   in_nodes(+Fact, -Translated): what the firmware says of two domains, as a fact of nodes.

in_nodes(Fact, Translated) :-
    Fact =.. [Name, From, To|Rest],
    domain_node(From, FromNode),
    domain_node(To, ToNode),
    Translated =.. [Name, FromNode, ToNode|Rest].

%   vocabulary_key(+Fact, -Pattern): Pattern has the arguments of Fact's key, and variables elsewhere.

vocabulary_key(Fact, Pattern) :-
    functor(Fact, Name, Arity),
    functor(Pattern, Name, Arity),
    key_positions(Name, Arity, Positions),
    maplist(shared_argument(Fact, Pattern), Positions).

shared_argument(Fact, Pattern, Position) :-
    arg(Position, Fact, Value),
    arg(Position, Pattern, Value).

%   Users' rules may ask where sources disagree; it only looks things up (safety.pl).

:- multifile sandbox:safe_primitive/1.

sandbox:safe_primitive(disagreement:contradiction(_, _, _, _)).
