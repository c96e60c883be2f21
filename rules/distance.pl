:- encoding(utf8).
:- module(distance,
          [ distance/3,                 % ?A, ?B, ?Cycles
            distance_ns/3,              % ?A, ?B, ?Nanoseconds
            nearest_cores/2,            % +Core, -Cores
            nearest_cores/3,            % +Core, +Count, -Cores
            latency_rows/3              % +Unit, +Cores, -Rows
          ]).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(library(assoc)).
:- use_module(library(error)).
:- use_module(topology).
:- use_module(costs).

/** <module> How long messages take

The latency of a message between two cores, from the best source there is:

  1. measured one way (core_latency/4), in this direction or, where only the other was measured, in that;
  2. half the measured round trip (message_rtt/6), likewise;
  3. what the machine's cost facts give for cores so related (dissertation, table 2.5): ump_shared_cache;
     ump_same_package, of cores that share none; ump_hop over one link, and ump_next_hop more for each
     further one.
*/

%!  distance(?A, ?B, ?Cycles) is nondet.
%
%   A message from core A to another core B takes Cycles of A, one way. With both cores given it is
%   semidet.

distance(A, B, Cycles) :-
    two_cores(A, B),
    latency(A, B, Latency, Unit),
    in_cycles(Unit, Latency, A, Cycles0),
    Cycles = Cycles0.

%!  distance_ns(?A, ?B, ?Nanoseconds) is nondet.
%
%   As distance/3, in nanoseconds.

distance_ns(A, B, Nanoseconds) :-
    two_cores(A, B),
    latency(A, B, Latency, Unit),
    in_ns(Unit, Latency, A, Nanoseconds0),
    Nanoseconds = Nanoseconds0.

two_cores(A, B) :-
    (   nonvar(A), nonvar(B)
    ->  A \== B
    ;   core(A),
        core(B),
        A \== B
    ).

latency(A, B, Latency, Unit) :-
    (   measured(A, B, Latency0, Unit0)
    ->  Latency = Latency0, Unit = Unit0
    ;   latency_by_relation(A, B, Latency, Unit)
    ).

measured(A, B, Latency, Unit) :-
    measured(A, B, Latency, Unit, _).

measured(A, B, Latency, Unit, How) :-
    (   facts:core_latency(A, B, Latency0, Unit0)
    ->  Latency = Latency0, Unit = Unit0, How = measured
    ;   facts:core_latency(B, A, Latency0, Unit0)
    ->  Latency = Latency0, Unit = Unit0, How = measured_back
    ;   facts:message_rtt(A, B, Mean, _, _, _)
    ->  Latency is Mean / 2, Unit = cycles, How = round_trip
    ;   facts:message_rtt(B, A, Mean, _, _, _)
    ->  Latency is Mean / 2, Unit = cycles, How = round_trip
    ).

latency_by_relation(A, B, Latency, Unit) :-
    (   shares_cache(A, B, _)
    ->  known_cost(ump_shared_cache, Latency, Unit)
    ;   hops(A, B, Hops),
        latency_over(Hops, Latency, Unit)
    ).

latency_over(Hops, Latency, Unit) :-
    (   Hops =:= 0
    ->  known_cost(ump_same_package, Latency, Unit)
    ;   Hops =:= 1
    ->  known_cost(ump_hop, Latency, Unit)
    ;   known_cost(ump_hop, First, Unit),
        known_cost(ump_next_hop, Next, Unit),
        Latency is First + (Hops - 1) * Next
    ).

known_cost(Name, Value, Unit) :-
    cost_of(Name, Value, Unit, _),
    !.

in_cycles(cycles, Cycles0, _, Cycles) :-
    !,
    Cycles is round(Cycles0).
in_cycles(Unit, Latency, Core, Cycles) :-
    nanoseconds_per(Unit, Scale),
    clock_hz(Core, Hertz),
    Cycles is round(Latency * Scale * Hertz / 1000000000).

in_ns(cycles, Cycles, Core, Nanoseconds) :-
    !,
    clock_hz(Core, Hertz),
    Nanoseconds is Cycles * 1000000000 / Hertz.
in_ns(Unit, Latency, _, Nanoseconds) :-
    nanoseconds_per(Unit, Scale),
    Nanoseconds is Latency * Scale.

%!  nearest_cores(+Core, -Cores) is det.
%
%   Cores are all other cores, nearest first: by distance/3 where it was measured of all of them, else by the
%   level of the closest cache they share with Core, hops, and number.

nearest_cores(Core, Cores) :-
    findall(Other, ( core(Other), Other \== Core ), Others),
    (   distances(Others, Core, Pairs0)
    ->  true
    ;   relations(Others, Core, Pairs0)
    ),
    keysort(Pairs0, Pairs),
    pairs_values(Pairs, Cores).

%!  nearest_cores(+Core, +Count, -Cores) is det.
%
%   Cores are the Count nearest cores, or all where there are fewer.

nearest_cores(Core, Count, Cores) :-
    nearest_cores(Core, All),
    length(All, Length),
    Wanted is min(Count, Length),
    length(Cores, Wanted),
    append(Cores, _, All),
    !.

distances([], _, []).
distances([Other|Others], Core, [Cycles-Other|Pairs]) :-
    measured(Core, Other, Latency, Unit),
    in_cycles(Unit, Latency, Core, Cycles),
    distances(Others, Core, Pairs).

relations([], _, []).
relations([Other|Others], Core, [Relation-Other|Pairs]) :-
    relation(Core, Other, Relation),
    relations(Others, Core, Pairs).

%   Closer relations stand first in standard order.

relation(A, B, Relation) :-
    (   sibling(A, B)
    ->  Relation = near(0, 0)
    ;   findall(Level, shares_cache(A, B, Level), [Level|_])
    ->  Relation = near(0, Level)
    ;   hops(A, B, Hops)
    ->  Relation = near(1, Hops)
    ;   Relation = near(2, 0)
    ).

%!  latency_rows(+Unit, +Cores, -Rows) is det.
%
%   Rows has for each of Cores, which ascend, what distance/3 (Unit is cycles) or distance_ns/3 (Unit is ns) tells of
%   messages from it to each of Cores, in their order, itself included: a flat list Latency, How, Count, ... that
%   says for so many cores on end how long and how that is known: measured, measured_back (in the other direction),
%   round_trip (half of one), concluded (from the relation of the cores), itself, or unknown.
%
%   All pairs at once: what is concluded of two packages is found once for their cores.

latency_rows(Unit, Cores, Rows) :-
    must_be(oneof([cycles, ns]), Unit),
    blocks(Cores, Blocks),
    (   ( facts:core_latency(_, _, _, _) ; facts:message_rtt(_, _, _, _, _, _) )
    ->  Known = some
    ;   Known = none
    ),
    empty_assoc(Hops),
    rows(Cores, Blocks, Known, Unit, Hops, Rows).

%   blocks(+Cores, -Blocks): Blocks are block(Package, Members, Count) for neighbours on one package, in order.

blocks([], []).
blocks([Core|Cores], [block(Package, [Core|Members], Count)|Blocks]) :-
    home(Core, Package),
    same_home(Cores, Package, Members, Rest),
    length([Core|Members], Count),
    blocks(Rest, Blocks).

same_home([Core|Cores], Package, [Core|Members], Rest) :-
    home(Core, Package),
    !,
    same_home(Cores, Package, Members, Rest).
same_home(Rest, _, [], Rest).

home(Core, Package) :-
    (   package_of(Core, Package0)
    ->  Package = Package0
    ;   Package = none
    ).

rows([], _, _, _, _, []).
rows([Core|Cores], Blocks, Known, Unit, Packages0, [Row|Rows]) :-
    home(Core, Package),
    (   get_assoc(Package, Packages0, Far)
    ->  Packages = Packages0
    ;   far(Blocks, Package, Far),
        put_assoc(Package, Packages0, Far, Packages)
    ),
    findall(Other, shares_cache(Core, Other, _), Sharers0),
    sort(Sharers0, Sharers),
    (   Known == some
    ->  Alone = false
    ;   member(Other, Sharers),
        \+ home(Other, Package)
    ->  Alone = false
    ;   Alone = true
    ),
    (   Known == some
    ->  findall(Other-how(Latency, Said), facts:core_latency(Core, Other, Latency, Said), Measured0),
        keysort(Measured0, Measured)
    ;   Measured = []
    ),
    phrase(cells(Blocks, row(Core, Package, Far, Known, Alone), Measured, Sharers), Cells),
    runs(Cells, Core, Unit, Row),
    rows(Cores, Blocks, Known, Unit, Packages, Rows).

%   far(+Blocks, +Package, -Far): Far tells the latency from cores on Package to those on each other, if none shares
%   a cache: how(Latency, Unit), or unknown.

far(Blocks, Package, Far) :-
    findall(Other-How,
            ( member(block(Other, _, _), Blocks),
              (   integer(Package),
                  integer(Other),
                  package_hops(Package, Other, Hops),
                  latency_over(Hops, Latency, Unit)
              ->  How = how(Latency, Unit)
              ;   How = unknown
              )
            ),
            Pairs0),
    sort(1, @<, Pairs0, Pairs),
    list_to_assoc(Pairs, Far).

cells([], _, _, _) --> [].
cells([block(Other, Members, Count)|Blocks], Row, Measured, Sharers) -->
    { Row = row(_, Package, Far, _, Alone) },
    (   { Alone == true, Other \== Package }
    ->  { get_assoc(Other, Far, How) },
        [cell(How, concluded, Count)],
        cells(Blocks, Row, Measured, Sharers)
    ;   { get_assoc(Other, Far, How) },
        members(Members, How, Row, Measured, RestMeasured, Sharers, RestSharers),
        cells(Blocks, Row, RestMeasured, RestSharers)
    ).

members([], _, _, Measured, Measured, Sharers, Sharers) --> [].
members([Core|Cores], How, Row, Measured0, Measured, Sharers0, Sharers) -->
    { from(Core, Measured0, Measured1),
      after(Core, Sharers0, Sharers1),
      member_cell(Core, How, Row, Measured1, Sharers1, Cell)
    },
    [Cell],
    members(Cores, How, Row, Measured1, Measured, Sharers1, Sharers).

from(Core, [Other-_|Measured0], Measured) :-
    Other < Core,
    !,
    from(Core, Measured0, Measured).
from(_, Measured, Measured).

after(Core, [Other|Sharers0], Sharers) :-
    Other < Core,
    !,
    after(Core, Sharers0, Sharers).
after(_, Sharers, Sharers).

member_cell(Core, Concluded, row(From, _, _, Known, _), Measured, Sharers, Cell) :-
    (   Core == From
    ->  Cell = cell(how(0, cycles), itself, 1)
    ;   Measured = [Core-How|_]
    ->  Cell = cell(How, measured, 1)
    ;   Known == some,
        measured(From, Core, Latency, Unit, Way)
    ->  Cell = cell(how(Latency, Unit), Way, 1)
    ;   Sharers = [Core|_]
    ->  (   known_cost(ump_shared_cache, Latency, Unit)
        ->  Cell = cell(how(Latency, Unit), concluded, 1)
        ;   Cell = cell(unknown, concluded, 1)
        )
    ;   Cell = cell(Concluded, concluded, 1)
    ).

%   runs(+Cells, +Core, +Unit, -Row): neighbours that are alike, as one.

runs([], _, _, []).
runs([cell(How, Way, Count0)|Cells0], Core, Unit, [Latency, Said, Count|Row]) :-
    alike(Cells0, How, Way, Count0, Count, Cells),
    (   How = how(Latency0, From),
        converted(Unit, From, Latency0, Core, Latency1)
    ->  Latency = Latency1, Said = Way
    ;   Latency = 0, Said = unknown
    ),
    runs(Cells, Core, Unit, Row).

alike([cell(How, Way, More)|Cells0], How0, Way0, Count0, Count, Cells) :-
    How == How0,
    Way == Way0,
    !,
    Count1 is Count0 + More,
    alike(Cells0, How0, Way0, Count1, Count, Cells).
alike(Cells, _, _, Count, Count, Cells).

converted(cycles, From, Latency, Core, Cycles) :-
    in_cycles(From, Latency, Core, Cycles).
converted(ns, From, Latency, Core, Nanoseconds) :-
    in_ns(From, Latency, Core, Nanoseconds).
