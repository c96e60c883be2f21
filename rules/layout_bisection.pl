:- encoding(utf8).
:- module(layout_bisection,
          [ bisected/4                  % +Problem, +Chain, +Seeds, -Place
          ]).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(layout).

/** <module> Layouts by halving dispatchers and slots together

Dual recursive bipartitioning (Pellegrini and Roman 1996, whose Scotch maps so): the slots are cut in two where they are
farthest apart, the dispatchers so that little traffic crosses the cut, and each half goes on by itself. Until it has a
slot, a dispatcher stands on the middle one of its half's slots; that is where those of other halves see it. A
cut begins with one dispatcher to which those most bound to it are added, and is made better by exchanges of pairs, also
through some that make it worse (Kernighan and Lin 1970).
*/

:- set_prolog_flag(optimise, true).

%!  bisected(+Problem, +Chain, +Seeds, -Place) is det.
%
%   Place has each dispatcher on one of the slots of Chain, a list of Slot-Join as layout.pl's chain makes it: Join is the
%   distance to the closest slot before. Of each cut the best of so many Seeds is taken.

bisected(Problem, Chain, Seeds, Place) :-
    arg(7, Problem, N),
    middle(Chain, N, Middle),
    functor(Place, place, N),
    stand(N, Place, Middle),
    numlist(1, N, All),
    halve(All, N, Chain, Problem, Seeds, Place).

stand(I, Place, Slot) :-
    (   I =:= 0
    ->  true
    ;   nb_setarg(I, Place, Slot),
        Next is I - 1,
        stand(Next, Place, Slot)
    ).

middle(Chain, N, Slot) :-
    Half is N // 2,
    nth0(Half, Chain, Slot-_),
    !.

halve(Dispatchers, N, Chain, Problem, Seeds, Place) :-
    (   N =:= 1
    ->  Dispatchers = [I],
        Chain = [Slot-_|_],
        nb_setarg(I, Place, Slot)
    ;   farthest_cut(Chain, N, Size),
        length(First, Size),
        append(First, Second, Chain),
        !,
        OtherSize is N - Size,
        middle(First, Size, A),
        middle(Second, OtherSize, B),
        cut(Dispatchers, Size, A, B, Problem, Seeds, Place),
        on_slot(Dispatchers, A, Place, Here, There),
        halve(Here, Size, First, Problem, Seeds, Place),
        halve(There, OtherSize, Second, Problem, Seeds, Place)
    ).

on_slot([], _, _, [], []).
on_slot([I|Is], A, Place, Here, There) :-
    (   arg(I, Place, A)
    ->  Here = [I|Here1], There = There1
    ;   Here = Here1, There = [I|There1]
    ),
    on_slot(Is, A, Place, Here1, There1).

%   farthest_cut(+Chain, +N, -Size): of the cuts that leave a quarter on each side at least, and whose Join is nearly the longest
%   of them (measurements differ by some percent), the one nearest the middle.

farthest_cut(Chain, N, Size) :-
    Least is max(1, N // 4),
    Most is N - Least,
    findall(Join-At, ( nth0(At, Chain, _-Join), At >= Least, At =< Most ), Cuts),
    pairs_keys(Cuts, Joins),
    max_list(Joins, Longest),
    findall(Off-At, ( member(Join-At, Cuts), 5 * Join >= 4 * Longest, Off is abs(2 * At - N) ), Middle),
    keysort(Middle, [_-Size|_]).

%   cut(+Dispatchers, +Size, +A, +B, +Problem, +Seeds, !Place): so many of Dispatchers stand on A, the others on B.

cut(Dispatchers, Size, A, B, Problem, Seeds, Place) :-
    length(Dispatchers, N),
    Most is min(Seeds, N),
    findall(Cost-Here,
            ( between(1, Most, Turn),
              stand_all(Dispatchers, B, Place),
              Skip is (Turn - 1) * N // Most,
              grow(Size, Turn, Skip, Dispatchers, A, B, Problem, Place),
              better_cut(4, Dispatchers, A, B, Problem, Place),
              cut_cost(Dispatchers, Problem, Place, 0, Cost),
              on_slot(Dispatchers, A, Place, Here, _)
            ),
            Cuts),
    keysort(Cuts, [_-Best|_]),
    stand_all(Dispatchers, B, Place),
    stand_all(Best, A, Place).

stand_all([], _, _).
stand_all([I|Is], Slot, Place) :-
    nb_setarg(I, Place, Slot),
    stand_all(Is, Slot, Place).

%   The first turn begins with the one whose change loses least, others somewhere else.

grow(Left, Turn, Skip, Dispatchers, A, B, Problem, Place) :-
    (   Left =:= 0
    ->  true
    ;   (   Turn > 1
        ->  nth0(Skip, Dispatchers, I)
        ;   most_gain(Dispatchers, B, A, Problem, Place, none, none, I, _)
        ),
        nb_setarg(I, Place, A),
        Fewer is Left - 1,
        grow(Fewer, 1, Skip, Dispatchers, A, B, Problem, Place)
    ).

%   most_gain(+Dispatchers, +From, +To, +Problem, +Place, +I0, +Gain0, -I, -Gain): of those on slot From the one for which it
%   would save most to go to To.

most_gain(Dispatchers, From, To, Problem, Place, I0, Gain0, I, Gain) :-
    Problem = problem(_, M, _, Neighbours, _, _, _, _, _),
    arg(From, M, Here),
    arg(To, M, There),
    most(Dispatchers, From, To, Here, There, Neighbours, Place, I0, Gain0, I, Gain).

most([], _, _, _, _, _, _, I, Gain, I, Gain).
most([J|Js], From, To, Here, There, Neighbours, Place, I0, Gain0, I, Gain) :-
    (   arg(J, Place, From),
        arg(J, Neighbours, Ns),
        gain(Ns, From, To, Here, There, Place, 0, Own),
        ( I0 == none -> true ; Own > Gain0 )
    ->  most(Js, From, To, Here, There, Neighbours, Place, J, Own, I, Gain)
    ;   most(Js, From, To, Here, There, Neighbours, Place, I0, Gain0, I, Gain)
    ).

gain([], _, _, _, _, _, Gain, Gain).
gain([Neighbour|Ns], From, To, Here, There, Place, Gain0, Gain) :-
    arg(1, Neighbour, K),
    arg(K, Place, Slot),
    ( Slot =:= From -> Now = 0 ; arg(Slot, Here, Now) ),
    ( Slot =:= To -> Then = 0 ; arg(Slot, There, Then) ),
    (   Neighbour = _-W
    ->  true
    ;   weight(Neighbour, W)
    ),
    Gain1 is Gain0 + W * (Now - Then),
    gain(Ns, From, To, Here, There, Place, Gain1, Gain).

%   seen_cost(+Problem, +Dispatcher, +Slot, +Place, -Cost): its edges, nothing to those on the same slot.

seen_cost(Problem, I, Slot, Place, Cost) :-
    Problem = problem(_, M, _, Neighbours, _, _, _, _, _),
    arg(I, Neighbours, Ns),
    arg(Slot, M, Row),
    seen_edges(Ns, Slot, Row, Place, 0, Cost).

seen_edges([], _, _, _, Cost, Cost).
seen_edges([Neighbour|Ns], Slot, Row, Place, Cost0, Cost) :-
    arg(1, Neighbour, K),
    arg(K, Place, Other),
    (   Other =:= Slot
    ->  Cost1 = Cost0
    ;   weight(Neighbour, W),
        arg(Other, Row, Distance),
        Cost1 is Cost0 + W * Distance
    ),
    seen_edges(Ns, Slot, Row, Place, Cost1, Cost).

cut_cost([], _, _, Cost, Cost).
cut_cost([I|Is], Problem, Place, Cost0, Cost) :-
    arg(I, Place, Slot),
    seen_cost(Problem, I, Slot, Place, Own),
    Cost1 is Cost0 + Own,
    cut_cost(Is, Problem, Place, Cost1, Cost).

%   better_cut(+Passes, ...): passes of exchanges while one helps. In a pass nobody changes twice; it ends when five exchanges
%   after the best have brought nothing, and those after the best are taken back.

better_cut(Passes, Dispatchers, A, B, Problem, Place) :-
    (   Passes =:= 0
    ->  true
    ;   exchanges(Dispatchers, A, B, Problem, Place, 0, 0, 5, [], Back, Gain),
        take_back(Back, A, B, Place),
        (   Gain > 0
        ->  Fewer is Passes - 1,
            better_cut(Fewer, Dispatchers, A, B, Problem, Place)
        ;   true
        )
    ).

%   exchanges(..., +Gain0, +Best0, +Patience, +Since0, -Back, -Gain): Since are the exchanges after the best.

exchanges(Free, A, B, Problem, Place, Gain0, Best0, Patience, Since0, Back, Best) :-
    (   Patience > 0,
        most_gain(Free, A, B, Problem, Place, none, none, I, GainI),
        I \== none
    ->  nb_setarg(I, Place, B),
        (   most_gain_but(Free, I, B, A, Problem, Place, K, GainK)
        ->  nb_setarg(K, Place, A),
            Gain1 is Gain0 + GainI + GainK,
            selectchk(I, Free, Free1),
            selectchk(K, Free1, Free2),
            (   Gain1 > Best0
            ->  exchanges(Free2, A, B, Problem, Place, Gain1, Gain1, 5, [], Back, Best)
            ;   Less is Patience - 1,
                exchanges(Free2, A, B, Problem, Place, Gain1, Best0, Less, [I-K|Since0], Back, Best)
            )
        ;   nb_setarg(I, Place, A),
            Back = Since0, Best = Best0
        )
    ;   Back = Since0, Best = Best0
    ).

most_gain_but(Free, I, From, To, Problem, Place, K, Gain) :-
    selectchk(I, Free, Others),
    most_gain(Others, From, To, Problem, Place, none, none, K, Gain),
    K \== none.

take_back([], _, _, _).
take_back([I-K|Back], A, B, Place) :-
    nb_setarg(I, Place, A),
    nb_setarg(K, Place, B),
    take_back(Back, A, B, Place).
