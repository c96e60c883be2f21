:- encoding(utf8).
:- module(layout_exact,
          [ exact/4,                    % +Problem, +Known, +Steps, -Best
            lower_bound/2               % +Problem, -Bound
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(layout).

/** <module> The cheapest layout of all, by branch and bound, and a bound for those too many to search

The bound is the part of Gilmore's and Lawler's (1962, 1963) that needs no assignment solved: every edge is charged by half
to either end; a dispatcher pays at least its heaviest edge times the shortest distance of a slot, the next
times the next, on the slot where that is least.

Of interchangeable slots one is tried. Two units of a level are interchangeable if exchanging them leaves all distances
as they are: slots first, then groups of so many interchangeable slots, groups of groups, as cores of a shared cache,
caches of a package, packages. Of untouched interchangeable units the first stands for all; and where a dispatcher has
had its turn on a slot, another that talks to the same in the same way need not be tried there.
*/

:- set_prolog_flag(optimise, true).

%!  lower_bound(+Problem, -Bound:integer) is det.
%
%   No layout costs less than Bound.

lower_bound(Problem, Bound) :-
    halves(Problem, Halves),
    sum_list(Halves, Twice),
    Bound is (Twice + 1) // 2.

%   halves(+Problem, -Halves): what each dispatcher's edges cost at least, on the best slot.

halves(Problem, Halves) :-
    Problem = problem(Kind, M, T, Neighbours, _, _, _, _, Allowed),
    Neighbours =.. [_|Lists],
    maplist(weights_of, Lists, Profiles),
    sort(Profiles, Different),
    maplist(length, Profiles, Lengths),
    max_list([0|Lengths], Most),
    findall(Distances,
            ( member(Slot, Allowed), shortest(Kind, M, T, Allowed, Slot, Most, Distances) ),
            Rows0),
    sort(Rows0, Rows),
    findall(Profile-Least,
            ( member(Profile, Different),
              findall(Sum, ( member(Row, Rows), paired(Profile, Row, 0, Sum) ), Sums),
              min_list([inf|Sums], Least0),
              ( Least0 == inf -> Least = 0 ; Least = Least0 )
            ),
            Leasts),
    findall(Half, ( member(Profile, Profiles), memberchk(Profile-Half, Leasts) ), Halves).

weights_of(Neighbours, Profile) :-
    maplist(weight, Neighbours, Profile).           % heaviest first

shortest(Kind, M, T, Allowed, Slot, Most, Distances) :-
    arg(Slot, M, Row),
    arg(Slot, T, Column),
    findall(Distance,
            ( member(Other, Allowed), Other =\= Slot,
              arg(Other, Row, Forth),
              (   Kind == mutual
              ->  Distance = Forth
              ;   arg(Other, Column, Back), Distance is min(Forth, Back)
              )
            ),
            Distances0),
    msort(Distances0, Distances1),
    length(Distances1, Count),
    Take is min(Most, Count),
    length(Distances, Take),
    append(Distances, _, Distances1),
    !.

paired([], _, Sum, Sum).
paired([Weight|Weights], [Distance|Distances], Sum0, Sum) :-
    Sum1 is Sum0 + Weight * Distance,
    paired(Weights, Distances, Sum1, Sum).

%!  exact(+Problem, +Known, +Steps, -Best) is semidet.
%
%   Best is the cheapest Cost-Place of all; Known is a good one. Fails if more than Steps slots would have to be tried.

exact(Problem, Known, Steps, Best) :-
    Problem = problem(_, _, _, _, _, _, N, _, _),
    search_order(Problem, Order),
    halves(Problem, Halves0),
    Halves =.. [halves|Halves0],
    levels(Problem, Levels),
    alike(Problem, Alike),
    free_slots(Problem, Taken),
    functor(Place, place, N),
    clear(N, Place),
    Known = Cost-Layout,
    Search = search(Steps, Cost, Layout),
    foldl(add_half(Halves), Order, 0, Rest),
    catch(( branch(Order, 0, Rest, Problem, Halves, Levels, Alike, [], Place, Taken, Search), Done = true ),
          out_of_steps,
          Done = false),
    Done == true,
    Search = search(_, Least, Found),
    Best = Least-Found.

clear(I, Place) :-
    (   I =:= 0
    ->  true
    ;   nb_setarg(I, Place, 0),
        Next is I - 1,
        clear(Next, Place)
    ).

add_half(Halves, I, Sum0, Sum) :-
    arg(I, Halves, Half),
    Sum is Sum0 + Half.

%   search_order(+Problem, -Order): next comes who talks most with those before.

search_order(Problem, Order) :-
    Problem = problem(_, _, _, Neighbours, _, _, N, _, _),
    numlist(1, N, All),
    ordered(All, [], Neighbours, Order).

ordered([], _, _, []).
ordered([I|Is], Before, Neighbours, [Next|Order]) :-
    findall(bond(To, Of)-J,
            ( member(J, [I|Is]),
              arg(J, Neighbours, Ns),
              bond(Ns, Before, 0, To0, 0, Of0),
              To is -To0, Of is -Of0
            ),
            Bonds),
    keysort(Bonds, [_-Next|_]),
    selectchk(Next, [I|Is], Others),
    ordered(Others, [Next|Before], Neighbours, Order).

bond([], _, To, To, Of, Of).
bond([Neighbour|Ns], Before, To0, To, Of0, Of) :-
    arg(1, Neighbour, K),
    weight(Neighbour, W),
    Of1 is Of0 + W,
    (   memberchk(K, Before)
    ->  To1 is To0 + W
    ;   To1 = To0
    ),
    bond(Ns, Before, To1, To, Of1, Of).

%   branch(+Order, +Cost, +Rest, ..., +Closed, !Place, !Taken, !Search): Order is to be placed yet, those
%   before cost Cost; Rest is twice what the ends of those to be placed pay at least. Closed holds class(Class, Slot):
%   where a dispatcher of that class has had its turn.

branch([], Cost, _, _, _, _, _, _, Place, _, Search) :-
    arg(2, Search, Least),
    (   Cost < Least
    ->  nb_setarg(2, Search, Cost),
        nb_setarg(3, Search, Place)     % a copy
    ;   true
    ).
branch([I|Order], Cost, Rest0, Problem, Halves, Levels, Alike, Closed, Place, Taken, Search) :-
    arg(I, Halves, Half),
    Rest is Rest0 - Half,
    arg(I, Alike, Class),
    Floor is 2 * Cost + Rest,
    choices(Problem, I, Class, Floor, Levels, Closed, Place, Taken, Search, Choices),
    try_each(Choices, I, Class, Order, Cost, Rest, Problem, Halves, Levels, Alike, Closed, Place, Taken, Search).

try_each([], _, _, _, _, _, _, _, _, _, _, _, _, _).
try_each([Added-Slot|Choices], I, Class, Order, Cost0, Rest, Problem, Halves, Levels, Alike, Closed, Place, Taken, Search) :-
    Cost is Cost0 + Added,
    arg(2, Search, Least),
    (   2 * Cost + Rest >= 2 * Least
    ->  true                            % and so it is for all that follow
    ;   nb_setarg(I, Place, Slot),
        nb_setarg(Slot, Taken, I),
        touch(Levels, Slot, 1),
        open_ends(Problem, Place, Taken, Open),
        (   2 * Cost + Rest + Open >= 2 * Least
        ->  true
        ;   branch(Order, Cost, Rest, Problem, Halves, Levels, Alike, Closed, Place, Taken, Search)
        ),
        touch(Levels, Slot, -1),
        nb_setarg(Slot, Taken, 0),
        nb_setarg(I, Place, 0),
        try_each(Choices, I, Class, Order, Cost0, Rest, Problem, Halves, Levels, Alike,
                 [closed(Class, Slot)|Closed], Place, Taken, Search)
    ).

%   choices(..., -Choices): Added-Slot, cheapest first, for a dispatcher. Slots are looked through from the partner
%   that it talks most with outwards, until that edge alone makes it too dear.

choices(Problem, I, Class, Floor, Levels, Closed, Place, Taken, Search, Choices) :-
    Problem = problem(Kind, M, _, Neighbours, _, Near, _, Count, Allowed),
    arg(I, Neighbours, Ns),
    arg(2, Search, Least),
    (   Kind == mutual,
        member(K-W, Ns),
        arg(K, Place, Center),
        Center > 0
    ->  arg(Center, Near, Nearest),
        arg(Center, M, Row),
        Last is Count - 1,
        within(1, Last, Nearest, Row, W, Floor, Least, Taken, Slots)
    ;   include(is_free(Taken), Allowed, Slots)
    ),
    findall(Added-Slot,
            ( member(Slot, Slots),
              stands_for_all(Levels, Slot, Taken),
              \+ memberchk(closed(Class, Slot), Closed),
              partial_cost(Problem, Place, I, Slot, Added)
            ),
            Choices0),
    keysort(Choices0, Choices),
    length(Slots, Tried),
    arg(1, Search, Steps0),
    Steps is Steps0 - Tried - 5,
    (   Steps < 0
    ->  throw(out_of_steps)
    ;   nb_setarg(1, Search, Steps)
    ).

is_free(Taken, Slot) :-
    arg(Slot, Taken, 0).

within(Rank, Last, Nearest, Row, W, Floor, Least, Taken, Slots) :-
    (   Rank > Last
    ->  Slots = []
    ;   arg(Rank, Nearest, Slot),
        arg(Slot, Row, Distance),
        (   Floor + 2 * W * Distance >= 2 * Least
        ->  Slots = []
        ;   Next is Rank + 1,
            (   arg(Slot, Taken, 0)
            ->  Slots = [Slot|Rest]
            ;   Slots = Rest
            ),
            within(Next, Last, Nearest, Row, W, Floor, Least, Taken, Rest)
        )
    ).

%   open_ends(+Problem, +Place, +Taken, -Open): what the ends of those placed pay at least for edges to those that are
%   not: the heaviest to the nearest free slot, the next to the next.

open_ends(Problem, Place, Taken, Open) :-
    Problem = problem(Kind, _, _, _, _, _, N, _, _),
    (   Kind == mutual
    ->  open_ends(N, Problem, Place, Taken, 0, Open)
    ;   Open = 0
    ).

open_ends(I, Problem, Place, Taken, Open0, Open) :-
    (   I =:= 0
    ->  Open = Open0
    ;   Next is I - 1,
        arg(I, Place, Slot),
        (   Slot =:= 0
        ->  Open1 = Open0
        ;   Problem = problem(_, M, _, Neighbours, _, Near, _, Count, _),
            arg(I, Neighbours, Ns),
            unplaced_weights(Ns, Place, Weights),
            arg(Slot, Near, Nearest),
            arg(Slot, M, Row),
            nearest_free(Weights, 1, Count, Nearest, Row, Taken, Open0, Open1)
        ),
        open_ends(Next, Problem, Place, Taken, Open1, Open)
    ).

unplaced_weights([], _, []).
unplaced_weights([K-W|Ns], Place, Weights) :-
    (   arg(K, Place, 0)
    ->  Weights = [W|Rest]
    ;   Weights = Rest
    ),
    unplaced_weights(Ns, Place, Rest).

nearest_free([], _, _, _, _, _, Open, Open).
nearest_free([W|Ws], Rank, Count, Nearest, Row, Taken, Open0, Open) :-
    (   Rank >= Count
    ->  Open = Open0
    ;   arg(Rank, Nearest, Slot),
        Next is Rank + 1,
        (   arg(Slot, Taken, 0)
        ->  arg(Slot, Row, Distance),
            Open1 is Open0 + W * Distance,
            nearest_free(Ws, Next, Count, Nearest, Row, Taken, Open1, Open)
        ;   nearest_free([W|Ws], Next, Count, Nearest, Row, Taken, Open0, Open)
        )
    ).

%   -- dispatchers that are alike

%   alike(+Problem, -Alike): a term of the class of each dispatcher; exchanging two of a class changes nothing.

alike(Problem, Alike) :-
    Problem = problem(_, _, _, Neighbours, _, _, N, _, _),
    numlist(1, N, All),
    classes(All, same_partners(Neighbours), [], Classes),
    findall(I-Class, ( nth1(Class, Classes, Members), member(I, Members) ), Pairs0),
    keysort(Pairs0, Pairs),
    pairs_values(Pairs, Numbers),
    Alike =.. [alike|Numbers].

:- meta_predicate classes(?, 2, ?, ?).

classes([], _, Classes, Classes).
classes([I|Is], Same, Classes0, Classes) :-
    (   append(Before, [[First|Members]|After], Classes0),
        call(Same, First, I)
    ->  append(Before, [[First, I|Members]|After], Classes1)
    ;   append(Classes0, [[I]], Classes1)
    ),
    classes(Is, Same, Classes1, Classes).

same_partners(Neighbours, A, B) :-
    arg(A, Neighbours, OfA),
    arg(B, Neighbours, OfB),
    maplist(seen_from(A, B), OfA, SeenA),
    maplist(seen_from(B, A), OfB, SeenB),
    msort(SeenA, Seen),
    msort(SeenB, Seen).

%   The edge between the two is the same seen from the other end.

seen_from(_, Other, K-W, Seen) :-
    ( K =:= Other -> Seen = 0-W ; Seen = K-W ).
seen_from(_, Other, n(K, Out, In), Seen) :-
    ( K =:= Other -> Seen = n(0, Out, In) ; Seen = n(K, Out, In) ).

%   -- slots that are interchangeable

%   levels(+Problem, -Levels): a list of level(Of, Groups, Touched) from slots upwards: Of has the unit of each slot, Groups
%   the interchangeable units of each unit, ascending, Touched how many dispatchers are in it.

levels(Problem, Levels) :-
    Problem = problem(_, M, T, _, _, _, _, Count, Allowed),
    same_rows(Allowed, M, T, Groups),
    findall(Slot-Slot, member(Slot, Allowed), Units),
    levels(Groups, Units, M, T, Count, Levels).

levels(Groups, Units, M, T, Count, [level(Of, Peers, Touched)|Levels]) :-
    functor(Of, of, Count),
    forall(member(Slot-Unit, Units), nb_setarg(Slot, Of, Unit)),
    functor(Peers, peers, Count),
    functor(Touched, touched, Count),
    clear(Count, Touched),
    forall(( member(Group, Groups), member(Unit, Group) ), nb_setarg(Unit, Peers, Group)),
    length(Groups, Number),
    findall(Unit, ( member(Group, Groups), member(Unit, Group) ), All),
    length(All, Before),
    (   ( Number =:= 1 ; Number =:= Before )
    ->  Levels = []
    ;   findall(Slot-First,
                ( member(Slot-Unit, Units), member([First|Others], Groups), memberchk(Unit, [First|Others]) ),
                Higher),
        pairs_keys_values(Higher, _, Firsts0),
        sort(Firsts0, Firsts),
        findall(First-Members, ( member(First, Firsts), findall(S, member(S-First, Higher), Members) ), Named),
        alike_units(Named, M, T, Next),
        levels(Next, Higher, M, T, Count, Levels)
    ).

%   alike_units(+Named, +M, +T, -Groups): Named units, each with its slots, in interchangeable groups. Units are alike if
%   they have as many slots, the same distances within, and lie alike to every other; all slots of a unit are interchangeable
%   one by one, or by groups, so that exchanging them in their order is what has to change nothing.

alike_units(Named, M, T, Groups) :-
    pairs_keys(Named, Units),
    pairs_values(Named, Slots),
    append(Slots, All),
    classes(Units, exchangeable(Named, M, T, All), [], Groups0),
    maplist(sort, Groups0, Groups).

exchangeable(Named, M, T, All, A, B) :-
    memberchk(A-SlotsA, Named),
    memberchk(B-SlotsB, Named),
    same_length(SlotsA, SlotsB),
    pairs_keys_values(Forth, SlotsA, SlotsB),
    pairs_keys_values(Back, SlotsB, SlotsA),
    append(Forth, Back, Exchange),
    unmoved(Exchange, All, Exchange, M),
    (   M == T
    ->  true
    ;   unmoved(Exchange, All, Exchange, T)
    ).

unmoved([], _, _, _).
unmoved([From-To|Moves], All, Exchange, M) :-
    arg(From, M, Row),
    arg(To, M, Image),
    unmoved_row(All, Exchange, Row, Image),
    unmoved(Moves, All, Exchange, M).

unmoved_row([], _, _, _).
unmoved_row([Slot|Slots], Exchange, Row, Image) :-
    (   memberchk(Slot-To, Exchange)
    ->  true
    ;   To = Slot
    ),
    arg(Slot, Row, Distance),
    arg(To, Image, Distance),
    unmoved_row(Slots, Exchange, Row, Image).

%   same_rows(+Slots, +M, +T, -Groups): interchangeable slots; only those whose sorted rows are equal are compared.

same_rows(Slots, M, T, Groups) :-
    findall(Sorted-Slot,
            ( member(Slot, Slots), arg(Slot, M, Row), Row =.. [_|Values], msort(Values, Sorted) ),
            Pairs0),
    keysort(Pairs0, Pairs),
    group_pairs_by_key(Pairs, Grouped),
    pairs_values(Grouped, Candidates),
    findall(Group,
            ( member(Members, Candidates),
              classes(Members, exchangeable_slots(M, T, Slots), [], Classes),
              member(Group0, Classes),
              sort(Group0, Group)
            ),
            Groups0),
    sort(Groups0, Groups).

exchangeable_slots(M, T, Slots, A, B) :-
    exchangeable_in(M, Slots, A, B),
    (   M == T
    ->  true
    ;   exchangeable_in(T, Slots, A, B)
    ).

exchangeable_in(M, Slots, A, B) :-
    arg(A, M, RowA),
    arg(B, M, RowB),
    arg(B, RowA, Between),
    arg(A, RowB, Between),
    arg(A, RowA, Own),
    arg(B, RowB, Own),
    same_elsewhere(Slots, A, B, RowA, RowB).

same_elsewhere([], _, _, _, _).
same_elsewhere([Slot|Slots], A, B, RowA, RowB) :-
    (   ( Slot =:= A ; Slot =:= B )
    ->  true
    ;   arg(Slot, RowA, Distance),
        arg(Slot, RowB, Distance)
    ),
    same_elsewhere(Slots, A, B, RowA, RowB).

%   stands_for_all(+Levels, +Slot, +Taken): at every level Slot is in the first untouched of interchangeable units, or in
%   one that is touched.

stands_for_all([], _, _).
stands_for_all([level(Of, Peers, Touched)|Levels], Slot, Taken) :-
    arg(Slot, Of, Unit),
    (   arg(Unit, Touched, 0)
    ->  arg(Unit, Peers, Group),
        first_untouched(Group, Touched, Unit)
    ;   true
    ),
    stands_for_all(Levels, Slot, Taken).

first_untouched([Unit|Units], Touched, First) :-
    (   arg(Unit, Touched, 0)
    ->  First = Unit
    ;   first_untouched(Units, Touched, First)
    ).

touch([], _, _).
touch([level(Of, _, Touched)|Levels], Slot, By) :-
    arg(Slot, Of, Unit),
    arg(Unit, Touched, Count0),
    Count is Count0 + By,
    nb_setarg(Unit, Touched, Count),
    touch(Levels, Slot, By).
