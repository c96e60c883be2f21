:- encoding(utf8).
:- module(distance,
          [ distance/3,                 % ?A, ?B, ?Cycles
            distance_ns/3,              % ?A, ?B, ?Nanoseconds
            nearest_cores/2,            % +Core, -Cores
            nearest_cores/3             % +Core, +Count, -Cores
          ]).
:- use_module(library(lists)).
:- use_module(library(pairs)).
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
    (   facts:core_latency(A, B, Latency0, Unit0)
    ->  Latency = Latency0, Unit = Unit0
    ;   facts:core_latency(B, A, Latency0, Unit0)
    ->  Latency = Latency0, Unit = Unit0
    ;   facts:message_rtt(A, B, Mean, _, _, _)
    ->  Latency is Mean / 2, Unit = cycles
    ;   facts:message_rtt(B, A, Mean, _, _, _)
    ->  Latency is Mean / 2, Unit = cycles
    ).

latency_by_relation(A, B, Latency, Unit) :-
    (   shares_cache(A, B, _)
    ->  known_cost(ump_shared_cache, Latency, Unit)
    ;   hops(A, B, Hops),
        (   Hops =:= 0
        ->  known_cost(ump_same_package, Latency, Unit)
        ;   Hops =:= 1
        ->  known_cost(ump_hop, Latency, Unit)
        ;   known_cost(ump_hop, First, Unit),
            known_cost(ump_next_hop, Next, Unit),
            Latency is First + (Hops - 1) * Next
        )
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

nanoseconds_per(ns, 1).
nanoseconds_per(us, 1000).
nanoseconds_per(ms, 1000000).
nanoseconds_per(s, 1000000000).

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
