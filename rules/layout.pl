:- encoding(utf8).
:- module(layout,
          [ problem/5,                  % +Dispatchers, +Edges, +Distances, +Allowed, -Problem
            cost_at/4,                  % +Problem, +Place, +Dispatcher, -Cost
            cost_on/5,                  % +Problem, +Place, +Dispatcher, +Slot, -Cost
            partial_cost/5,             % +Problem, +Place, +Dispatcher, +Slot, -Cost
            layout_total/3,             % +Problem, +Place, -Cost
            free_slots/2,               % +Problem, -Slots
            weight/2,                   % +Neighbour, -Weight
            in_order/2,                 % +Problem, -Place
            compact/2,                  % +Problem, -Slots
            chain/4,                    % +Problem, +Seed, +How, -Chain
            by_slot/3,                  % +Problem, +Slots, -Place
            by_dispatcher/3             % +Problem, +Seed, -Place
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).

/** <module> Layouts of dispatchers on slots: what they cost, and how to begin

The quadratic assignment problem behind communication plans (communication.pl): dispatchers 1..N talk to each other,
each is to have a slot (a core, or one of several places on it) of its own, and the sum of weight times distance is to
be small. Everything is an integer: weights, and distances in picoseconds, so that the cost of a layout does not depend
on the order in which it is summed.

A layout is a term of N arguments, the slot of each dispatcher. Here it is built, by several rules of thumb;
layout_exchange.pl and layout_repair.pl make it better, layout_exact.pl finds the best there is.
*/

:- set_prolog_flag(optimise, true).

%!  problem(+Dispatchers, +Edges, +Distances, +Allowed, -Problem) is det.
%
%   So many Dispatchers talk along Edges, a list of edge(I, K, Out, In) with I < K, Out from I to K and In back.
%   Distances is distances(D, T, S, Near): the rows of the distances from each slot, to each slot (D itself where
%   they are symmetric), both summed, and of the other slots by S, nearest first. Allowed is a list of slots.
%   Problem is problem(Kind, M, T, Neighbours, Pairs, Near, Dispatchers, Slots, Allowed): of Kind `mutual` the
%   cost of an edge K-W is W times M, of Kind `directed` that of n(K, Out, In) is Out times M and In times T.

problem(Dispatchers, Edges, distances(D, T, S, Near), Allowed, Problem) :-
    (   D == T
    ->  Kind = mutual, M = D,
        findall(I-(K-W), ( member(edge(A, B, Out, In), Edges), W is Out + In, either(A, B, I, K) ), Ends)
    ;   forall(member(edge(_, _, Out, In), Edges), Out =:= In)
    ->  Kind = mutual, M = S,
        findall(I-(K-Out), ( member(edge(A, B, Out, _), Edges), either(A, B, I, K) ), Ends)
    ;   Kind = directed, M = D,
        findall(I-n(K, Out, In),
                ( member(edge(A, B, Out0, In0), Edges),
                  ( I = A, K = B, Out = Out0, In = In0 ; I = B, K = A, Out = In0, In = Out0 )
                ),
                Ends)
    ),
    numlist(1, Dispatchers, Numbers),
    findall(I-none, member(I, Numbers), Nobody),
    append(Nobody, Ends, All0),
    keysort(All0, All),
    group_pairs_by_key(All, Grouped),
    pairs_values(Grouped, Lists0),
    maplist(heaviest_first, Lists0, Lists),
    Neighbours =.. [neighbours|Lists],
    maplist(indexed, Lists, Terms),
    Pairs =.. [pairs|Terms],
    functor(M, _, Slots),
    Problem = problem(Kind, M, T, Neighbours, Pairs, Near, Dispatchers, Slots, Allowed).

either(A, B, A, B).
either(A, B, B, A).

heaviest_first([none|Neighbours0], Neighbours) :-
    findall(Less-Each, ( member(Each, Neighbours0), weight(Each, W), Less is -W ), Keyed0),
    keysort(Keyed0, Keyed),
    pairs_values(Keyed, Neighbours).

%!  weight(+Neighbour, -Weight) is det.
%
%   Weight of the edge to a neighbour, both directions together.

weight(_-W, W).
weight(n(_, Out, In), W) :- W is Out + In.

indexed(Neighbours, Term) :-
    findall(K, ( member(Each, Neighbours), arg(1, Each, K) ), Ks),
    compound_name_arguments(Term, ks, Ks).

%   -- costs

%!  cost_at(+Problem, +Place, +Dispatcher, -Cost) is det.
%
%   Cost is that of all edges of Dispatcher where Place has everybody.

cost_at(Problem, Place, I, Cost) :-
    arg(I, Place, Slot),
    cost_on(Problem, Place, I, Slot, Cost).

%!  cost_on(+Problem, +Place, +Dispatcher, +Slot, -Cost) is det.
%
%   The same, if Dispatcher were on Slot.

cost_on(Problem, Place, I, Slot, Cost) :-
    Problem = problem(Kind, M, T, Neighbours, _, _, _, _, _),
    arg(I, Neighbours, Ns),
    arg(Slot, M, Row),
    (   Kind == mutual
    ->  mutual_cost(Ns, Row, Place, 0, Cost)
    ;   arg(Slot, T, Column),
        directed_cost(Ns, Row, Column, Place, 0, Cost)
    ).

mutual_cost([], _, _, Cost, Cost).
mutual_cost([K-W|Ns], Row, Place, Cost0, Cost) :-
    arg(K, Place, Slot),
    arg(Slot, Row, Distance),
    Cost1 is Cost0 + W * Distance,
    mutual_cost(Ns, Row, Place, Cost1, Cost).

directed_cost([], _, _, _, Cost, Cost).
directed_cost([n(K, Out, In)|Ns], Row, Column, Place, Cost0, Cost) :-
    arg(K, Place, Slot),
    arg(Slot, Row, Forth),
    arg(Slot, Column, Back),
    Cost1 is Cost0 + Out * Forth + In * Back,
    directed_cost(Ns, Row, Column, Place, Cost1, Cost).

%!  partial_cost(+Problem, +Place, +Dispatcher, +Slot, -Cost) is det.
%
%   The same, of edges to those alone that have a slot; others have 0.

partial_cost(Problem, Place, I, Slot, Cost) :-
    Problem = problem(Kind, M, T, Neighbours, _, _, _, _, _),
    arg(I, Neighbours, Ns),
    arg(Slot, M, Row),
    (   Kind == mutual
    ->  partial_mutual(Ns, Row, Place, 0, Cost)
    ;   arg(Slot, T, Column),
        partial_directed(Ns, Row, Column, Place, 0, Cost)
    ).

partial_mutual([], _, _, Cost, Cost).
partial_mutual([K-W|Ns], Row, Place, Cost0, Cost) :-
    (   arg(K, Place, Slot),
        arg(Slot, Row, Distance)
    ->  Cost1 is Cost0 + W * Distance
    ;   Cost1 = Cost0
    ),
    partial_mutual(Ns, Row, Place, Cost1, Cost).

partial_directed([], _, _, _, Cost, Cost).
partial_directed([n(K, Out, In)|Ns], Row, Column, Place, Cost0, Cost) :-
    (   arg(K, Place, Slot),
        arg(Slot, Row, Forth)
    ->  arg(Slot, Column, Back),
        Cost1 is Cost0 + Out * Forth + In * Back
    ;   Cost1 = Cost0
    ),
    partial_directed(Ns, Row, Column, Place, Cost1, Cost).

%!  layout_total(+Problem, +Place, -Cost) is det.
%
%   Cost is that of the whole layout.

layout_total(Problem, Place, Cost) :-
    arg(7, Problem, N),
    total(1, N, Problem, Place, 0, Twice),
    Cost is Twice // 2.

total(I, N, Problem, Place, Sum0, Sum) :-
    (   I > N
    ->  Sum = Sum0
    ;   cost_at(Problem, Place, I, Cost),
        Sum1 is Sum0 + Cost,
        Next is I + 1,
        total(Next, N, Problem, Place, Sum1, Sum)
    ).

%   -- construction

%!  free_slots(+Problem, -Slots) is det.
%
%   Slots is a term with 0 for each slot that may be taken and -1 for each other.

free_slots(problem(_, _, _, _, _, _, _, Count, Allowed), Slots) :-
    functor(Slots, slots, Count),
    fill(Count, Slots, -1),
    free_each(Allowed, Slots).

fill(I, Term, Value) :-
    (   I =:= 0
    ->  true
    ;   nb_setarg(I, Term, Value),
        Next is I - 1,
        fill(Next, Term, Value)
    ).

free_each([], _).
free_each([Slot|Slots], Taken) :-
    nb_setarg(Slot, Taken, 0),
    free_each(Slots, Taken).

nowhere(N, Place) :-
    functor(Place, place, N),
    fill(N, Place, 0).

%!  in_order(+Problem, -Place) is det.
%
%   The dispatchers in their order on the allowed slots in theirs.

in_order(problem(_, _, _, _, _, _, N, _, Allowed), Place) :-
    length(Slots, N),
    append(Slots, _, Allowed),
    !,
    Place =.. [place|Slots].

%!  compact(+Problem, -Slots:list) is det.
%
%   Slots are the allowed slots, those first around which so many as are needed lie closest.

compact(Problem, Slots) :-
    Problem = problem(_, M, _, _, _, Near, N, _, Allowed),
    free_slots(Problem, Taken),
    Others is N - 1,
    findall(Sum-Slot,
            ( member(Slot, Allowed),
              arg(Slot, M, Row),
              arg(Slot, Near, Nearest),
              nearest_sum(1, Others, Nearest, Taken, Row, 0, Sum)
            ),
            Sums0),
    keysort(Sums0, Sums),
    pairs_values(Sums, Slots).

nearest_sum(Rank, Others, Nearest, Taken, Row, Sum0, Sum) :-
    (   Others =:= 0
    ->  Sum = Sum0
    ;   arg(Rank, Nearest, Slot),
        Next is Rank + 1,
        (   arg(Slot, Taken, 0)
        ->  arg(Slot, Row, Distance),
            Sum1 is Sum0 + Distance,
            Left is Others - 1,
            nearest_sum(Next, Left, Nearest, Taken, Row, Sum1, Sum)
        ;   nearest_sum(Next, Others, Nearest, Taken, Row, Sum0, Sum)
        )
    ).

%!  chain(+Problem, +Seed, +How, -Chain:list) is det.
%
%   Chain is a list of Slot-Join, one for each dispatcher, from Seed on: How `min`, each the closest to one of those
%   before it (Prim's tree), so that a cluster of slots is used up before the next is begun; `sum`, each the closest to all
%   before it together. Join is that distance.

chain(problem(_, M, _, _, _, _, N, _, Allowed), Seed, How, [Seed-0|Chain]) :-
    selectchk(Seed, Allowed, Others),
    arg(Seed, M, Row),
    reaches(Others, Row, Reaches),
    Left is N - 1,
    chained(Left, Reaches, How, M, Chain).

reaches([], _, []).
reaches([Slot|Slots], Row, [Slot-Distance|Reaches]) :-
    arg(Slot, Row, Distance),
    reaches(Slots, Row, Reaches).

chained(Left, Reaches, How, M, Slots) :-
    (   Left =:= 0
    ->  Slots = []
    ;   Reaches = [Slot0-Distance0|Rest],
        closest(Rest, Slot0, Distance0, Slot, Join),
        arg(Slot, M, Row),
        (   How == min
        ->  nearer(Reaches, Slot, Row, Nearer)
        ;   farther(Reaches, Slot, Row, Nearer)
        ),
        Slots = [Slot-Join|More],
        Next is Left - 1,
        chained(Next, Nearer, How, M, More)
    ).

closest([], Slot, Distance, Slot, Distance).
closest([Other-Distance1|Reaches], Slot0, Distance0, Slot, Distance) :-
    (   Distance1 < Distance0
    ->  closest(Reaches, Other, Distance1, Slot, Distance)
    ;   closest(Reaches, Slot0, Distance0, Slot, Distance)
    ).

nearer([], _, _, []).
nearer([Other-Distance0|Reaches], Slot, Row, Nearer) :-
    (   Other =:= Slot
    ->  Nearer = Rest
    ;   arg(Other, Row, Distance1),
        Distance is min(Distance0, Distance1),
        Nearer = [Other-Distance|Rest]
    ),
    nearer(Reaches, Slot, Row, Rest).

farther([], _, _, []).
farther([Other-Distance0|Reaches], Slot, Row, Farther) :-
    (   Other =:= Slot
    ->  Farther = Rest
    ;   arg(Other, Row, Distance1),
        Distance is Distance0 + Distance1,
        Farther = [Other-Distance|Rest]
    ),
    farther(Reaches, Slot, Row, Rest).

%!  by_slot(+Problem, +Slots:list, -Place) is det.
%
%   Each of Slots in turn is taken by the dispatcher that has most to do with those placed near it: the one that would lose
%   most if it were as far from them as anything is.

by_slot(Problem, Slots, Place) :-
    Problem = problem(_, M, _, _, _, Near, N, Count, _),
    nowhere(N, Place),
    numlist(1, N, Unplaced),
    findall(Distance,
            ( member(Slot, Slots), arg(Slot, Near, Nearest), Last is Count - 1,
              arg(Last, Nearest, Far), arg(Slot, M, Row), arg(Far, Row, Distance)
            ),
            Distances),
    max_list([0|Distances], Farthest),
    take_slots(Slots, Unplaced, Problem, Farthest, Place).

take_slots([], _, _, _, _).
take_slots([Slot|Slots], Unplaced, Problem, Farthest, Place) :-
    Problem = problem(_, M, _, Neighbours, _, _, _, _, _),
    arg(Slot, M, Row),
    most_attached(Unplaced, Neighbours, Row, Farthest, Place, 0, -1, I),
    selectchk(I, Unplaced, Rest),
    nb_setarg(I, Place, Slot),
    take_slots(Slots, Rest, Problem, Farthest, Place).

most_attached([], _, _, _, _, I, _, I).
most_attached([J|Js], Neighbours, Row, Farthest, Place, I0, Most0, I) :-
    arg(J, Neighbours, Ns),
    attachment(Ns, Row, Farthest, Place, 0, Own),
    (   Own > Most0
    ->  most_attached(Js, Neighbours, Row, Farthest, Place, J, Own, I)
    ;   most_attached(Js, Neighbours, Row, Farthest, Place, I0, Most0, I)
    ).

attachment([], _, _, _, Own, Own).
attachment([Neighbour|Ns], Row, Farthest, Place, Own0, Own) :-
    arg(1, Neighbour, K),
    (   arg(K, Place, Slot),
        arg(Slot, Row, Distance)
    ->  weight(Neighbour, W),
        Own1 is Own0 + W * max(1, Farthest - Distance)
    ;   Own1 = Own0
    ),
    attachment(Ns, Row, Farthest, Place, Own1, Own).

%!  by_dispatcher(+Problem, +Seed, -Place) is det.
%
%   The dispatcher that talks most with those placed comes next, on the best of the slots near them.

by_dispatcher(Problem, Seed, Place) :-
    Problem = problem(_, _, _, Neighbours, _, _, N, _, _),
    nowhere(N, Place),
    free_slots(Problem, Taken),
    findall(Less-I,
            ( arg(I, Neighbours, Ns), foldl(add_weight, Ns, 0, Sum), Less is -Sum ),
            Sums),
    keysort(Sums, [_-First|_]),
    numlist(1, N, All),
    selectchk(First, All, Others),
    findall(J-0, member(J, Others), Bonds),
    settle(First, Seed, Bonds, Problem, Place, Taken).

add_weight(Neighbour, Sum0, Sum) :-
    weight(Neighbour, W),
    Sum is Sum0 + W.

settle(I, Slot, Bonds0, Problem, Place, Taken) :-
    nb_setarg(I, Place, Slot),
    nb_setarg(Slot, Taken, I),
    (   Bonds0 == []
    ->  true
    ;   Problem = problem(_, _, _, Neighbours, _, _, _, _, _),
        arg(I, Neighbours, Ns),
        findall(K-W, ( member(Each, Ns), arg(1, Each, K), weight(Each, W) ), New0),
        keysort(New0, New),
        bind_closer(Bonds0, New, Bonds1),
        Bonds1 = [J0-Bond0|Rest],
        closest_bond(Rest, J0, Bond0, J),
        selectchk(J-_, Bonds1, Bonds),
        best_slot(Problem, Place, Taken, J, Slot, Next),
        settle(J, Next, Bonds, Problem, Place, Taken)
    ).

bind_closer([], _, []).
bind_closer([J-Bond0|Bonds0], New, [J-Bond|Bonds]) :-
    (   New = [K|_],
        arg(1, K, Other),
        Other < J
    ->  New = [_|More],
        Bond = Bond1, Bonds = Bonds1,
        bind_closer([J-Bond0|Bonds0], More, [J-Bond1|Bonds1])
    ;   New = [J-W|More]
    ->  Bond is Bond0 + W,
        bind_closer(Bonds0, More, Bonds)
    ;   Bond = Bond0,
        bind_closer(Bonds0, New, Bonds)
    ).

closest_bond([], J, _, J).
closest_bond([K-Bond|Bonds], J0, Bond0, J) :-
    (   Bond > Bond0
    ->  closest_bond(Bonds, K, Bond, J)
    ;   closest_bond(Bonds, J0, Bond0, J)
    ).

%   best_slot(+Problem, +Place, +Taken, +Dispatcher, +Last, -Slot): the cheapest of the free slots nearest to those whom
%   Dispatcher talks with most, or to the Last slot taken if none of them has one.

best_slot(Problem, Place, Taken, I, Last, Slot) :-
    Problem = problem(_, _, _, Neighbours, _, Near, _, Count, _),
    arg(I, Neighbours, Ns),
    placed_slots(Ns, 4, Place, Around0),
    ( Around0 == [] -> Around = [Last] ; Around = Around0 ),
    findall(Each,
            ( member(Center, Around),
              arg(Center, Near, Nearest),
              first_free(1, Count, 4, Nearest, Taken, Found),
              member(Each, Found)
            ),
            Candidates0),
    sort(Candidates0, Candidates),
    findall(Cost-Each,
            ( member(Each, Candidates), partial_cost(Problem, Place, I, Each, Cost) ),
            Costs),
    keysort(Costs, [_-Slot|_]).

placed_slots([], _, _, []).
placed_slots([Neighbour|Ns], Most, Place, Slots) :-
    arg(1, Neighbour, K),
    arg(K, Place, Slot),
    (   Most =:= 0
    ->  Slots = []
    ;   Slot > 0
    ->  Slots = [Slot|Rest],
        Fewer is Most - 1,
        placed_slots(Ns, Fewer, Place, Rest)
    ;   placed_slots(Ns, Most, Place, Slots)
    ).

first_free(Rank, Count, Wanted, Nearest, Taken, Slots) :-
    (   ( Rank >= Count ; Wanted =:= 0 )
    ->  Slots = []
    ;   arg(Rank, Nearest, Slot),
        Next is Rank + 1,
        (   arg(Slot, Taken, 0)
        ->  Slots = [Slot|Rest],
            Fewer is Wanted - 1,
            first_free(Next, Count, Fewer, Nearest, Taken, Rest)
        ;   first_free(Next, Count, Wanted, Nearest, Taken, Slots)
        )
    ).
