:- encoding(utf8).
:- module(latencies,
          [ latencies/2,                % +Cores, -Latencies
            latency_ps/4,               % +Latencies, +From, +To, -Picoseconds
            slots_of/6                  % +Latencies, +Cores, +Each, -Distances, -Slots, -Allowed
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(library(assoc)).
:- use_module(topology).
:- use_module(distance).
:- use_module(costs).
:- use_module(store, [generation/1]).

/** <module> All latencies between cores at once

What a search over layouts looks up a million times: distance_ns/3 of all pairs of cores as rows of integers, in
picoseconds, read in bulk and kept until what is known of the machine changes. A pair of which nothing tells the
distance counts as far as the farthest of which something does. From a core to itself it is what LMP takes.
*/

:- set_prolog_flag(optimise, true).

%   Up to so many cores the rows of the whole machine are kept; of larger ones those of the cores asked for.

kept_whole(512).

%!  latencies(+Cores:list, -Latencies) is det.
%
%   Latencies is latencies(Numbers, Distances): an assoc from each core (of Cores at least) to the number of its row,
%   and distances(D, T, S, Near) as layout.pl has them.

latencies(Cores, Latencies) :-
    generation(Generation),
    findall(Core, core(Core), All),
    length(All, Count),
    (   kept_whole(Most),
        Count =< Most
    ->  Wanted = All
    ;   Wanted = Cores
    ),
    (   nb_current(latencies, known(Generation, Wanted, Known))
    ->  Latencies = Known
    ;   read_latencies(Wanted, Latencies),
        nb_setval(latencies, known(Generation, Wanted, Latencies))
    ).

read_latencies(Cores, latencies(Numbers, Distances)) :-
    findall(Core-Number, nth1(Number, Cores, Core), Numbered),
    list_to_assoc(Numbered, Numbers),
    lmp(Lmp),
    maplist(row_of(Cores, Lmp), Cores, Rows0),
    farthest(Rows0, Farthest),
    maplist(filled(Farthest), Rows0, Rows),
    D =.. [rows|Rows],
    distances(D, Distances).

lmp(Value-Unit) :-
    once(cost_of(lmp, Value, Unit, _)).

%   row_of(+Cores, +Lmp, +Core, -Row): a list, `unknown` where nothing tells.

row_of(Cores, Lmp-LmpUnit, Core, Row) :-
    (   clock_hz(Core, Hertz) -> true ; Hertz = none ),
    findall(To-Picoseconds,
            ( facts:core_latency(Core, To, Latency, Unit), picoseconds(Unit, Latency, Hertz, Picoseconds) ),
            Measured0),
    keysort(Measured0, Measured),
    (   picoseconds(LmpUnit, Lmp, Hertz, Own) -> true ; Own = unknown ),
    row(Cores, Core, Own, Measured, Row).

row([], _, _, _, []).
row([To|Cores], Core, Own, Measured0, [Picoseconds|Row]) :-
    (   To == Core
    ->  Picoseconds = Own, Measured = Measured0
    ;   after(Measured0, To, Measured1),
        Measured1 = [To-Known|Measured]
    ->  Picoseconds = Known
    ;   distance_ns(Core, To, Nanoseconds)
    ->  Picoseconds is round(Nanoseconds * 1000), Measured = Measured0
    ;   Picoseconds = unknown, Measured = Measured0
    ),
    row(Cores, Core, Own, Measured, Row).

after([Other-Known|Measured0], To, Measured) :-
    (   Other @< To
    ->  after(Measured0, To, Measured)
    ;   Measured = [Other-Known|Measured0]
    ).

picoseconds(cycles, Cycles, Hertz, Picoseconds) :-
    !,
    number(Hertz),
    Picoseconds is round(Cycles * 1000000000000 / Hertz).
picoseconds(Unit, Value, _, Picoseconds) :-
    scale_ps(Unit, Scale),
    Picoseconds is round(Value * Scale).

scale_ps(ns, 1000).
scale_ps(us, 1000000).
scale_ps(ms, 1000000000).
scale_ps(s, 1000000000000).

farthest(Rows, Farthest) :-
    findall(Most, ( member(Row, Rows), include(integer, Row, Known), max_list([0|Known], Most) ), All),
    max_list([0|All], Farthest).

filled(Farthest, Row0, Row) :-
    maplist(known_or(Farthest), Row0, Values),
    Row =.. [row|Values].

known_or(Farthest, Value, Known) :-
    ( Value == unknown -> Known = Farthest ; Known = Value ).

%   distances(+D, -Distances): with its transpose, their sum, and the order of slots by it.

distances(D, distances(D, T, S, Near)) :-
    functor(D, _, Count),
    (   symmetric(Count, D)
    ->  T = D, S = D
    ;   transposed(D, Count, T),
        D =.. [_|Rows],
        T =.. [_|Columns],
        maplist(row_sum, Rows, Columns, Sums),
        S =.. [rows|Sums]
    ),
    S =.. [_|Both],
    numlist(1, Count, Numbers),
    maplist(nearest(Numbers), Numbers, Both, Nears),
    Near =.. [near|Nears].

symmetric(Count, D) :-
    (   Count =:= 0
    ->  true
    ;   arg(Count, D, Row),
        Next is Count - 1,
        mirrored(Next, Count, Row, D),
        symmetric(Next, D)
    ).

mirrored(J, I, Row, D) :-
    (   J =:= 0
    ->  true
    ;   arg(J, Row, Distance),
        arg(J, D, Other),
        arg(I, Other, Distance),
        Next is J - 1,
        mirrored(Next, I, Row, D)
    ).

transposed(D, Count, T) :-
    numlist(1, Count, Numbers),
    D =.. [_|Rows],
    maplist(column(Rows), Numbers, Columns),
    T =.. [rows|Columns].

column(Rows, J, Column) :-
    maplist(arg(J), Rows, Values),
    Column =.. [row|Values].

row_sum(A, B, Sum) :-
    A =.. [_|As],
    B =.. [_|Bs],
    maplist(plus, As, Bs, Values),
    Sum =.. [row|Values].

nearest(Numbers, Number, Row, Near) :-
    Row =.. [_|Values],
    pairs_keys_values(Pairs0, Values, Numbers),
    keysort(Pairs0, Pairs),
    pairs_values(Pairs, Order0),
    selectchk(Number, Order0, Order),
    compound_name_arguments(Near, near, Order).

%!  latency_ps(+Latencies, +From, +To, -Picoseconds) is det.
%
%   A message from core From to core To takes so long.

latency_ps(latencies(Numbers, distances(D, _, _, _)), From, To, Picoseconds) :-
    get_assoc(From, Numbers, I),
    get_assoc(To, Numbers, J),
    arg(I, D, Row),
    arg(J, Row, Picoseconds).

%!  slots_of(+Latencies, +Cores:list, +Each, -Distances, -Slots, -Allowed:list) is det.
%
%   Of a problem with Each slots a core: their Distances, a term Slots of the core of each, and those Allowed, on
%   Cores.

slots_of(latencies(Numbers, Distances0), Cores, Each, Distances, Slots, Allowed) :-
    findall(Number-Core, gen_assoc(Core, Numbers, Number), Rows0),
    keysort(Rows0, Rows),
    (   Each =:= 1
    ->  Distances = Distances0,
        pairs_values(Rows, All),
        maplist(row_number(Numbers), Cores, Allowed)
    ;   maplist(row_number(Numbers), Cores, Chosen),
        findall(Number, ( between(1, Each, _), member(Number, Chosen) ), Repeated),
        findall(Core, ( between(1, Each, _), member(Core, Cores) ), All),
        Distances0 = distances(D0, _, _, _),
        maplist(repeated_row(D0, Repeated), Repeated, SlotRows),
        D =.. [rows|SlotRows],
        distances(D, Distances),
        length(All, Count),
        numlist(1, Count, Allowed)
    ),
    Slots =.. [slots|All].

row_number(Numbers, Core, Number) :-
    get_assoc(Core, Numbers, Number).

repeated_row(D, Repeated, Number, Row) :-
    arg(Number, D, Whole),
    maplist(value_at(Whole), Repeated, Values),
    Row =.. [row|Values].

value_at(Row, Number, Value) :-
    arg(Number, Row, Value).
