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
through some that make it worse (Kernighan and Lin 1970). What a change of side would save is kept for each, and put right
for those alone who talk with whoever goes (Fiduccia and Mattheyses 1982).
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
%
%   They are numbered anew, from 1. Of each is known with whom of them it talks (K-Change: by how much K's gain changes when
%   it goes to the other side), and its gain, what is saved if it goes; all begin on B. What dispatchers of other
%   cuts stand on does not change meanwhile.

cut(Dispatchers, Size, A, B, Problem, Seeds, Place) :-
    Problem = problem(_, M, _, Neighbours, _, _, All, _, _),
    stand_all(Dispatchers, B, Place),
    functor(Numbers, numbers, All),
    number_all(Dispatchers, 1, Numbers),
    arg(A, M, RowA),
    arg(B, M, RowB),
    arg(B, RowA, Between),
    profiles(Dispatchers, Neighbours, RowA, RowB, B, Between, Numbers, Place, Gains0, Inside0),
    Gains =.. [gains|Gains0],
    Inside =.. [inside|Inside0],
    functor(Gains, _, N),
    Most is min(Seeds, N),
    highest(1, N, Gains, First),
    levels(First, N, Inside, Levels),
    highest(1, N, Levels, Last),
    findall(Loss-Sides,
            ( between(1, Most, Turn),
              seed(Turn, First, Last, N, Most, Seed),
              one_cut(Seed, Size, N, Gains, Inside, Gain, Sides),
              Loss is -Gain
            ),
            Cuts),
    keysort(Cuts, [_-Best|_]),
    stand_on_side(Dispatchers, 1, Best, A, Place).

stand_all([], _, _).
stand_all([I|Is], Slot, Place) :-
    nb_setarg(I, Place, Slot),
    stand_all(Is, Slot, Place).

number_all([], _, _).
number_all([I|Is], Number, Numbers) :-
    nb_setarg(I, Numbers, Number),
    Next is Number + 1,
    number_all(Is, Next, Numbers).

profiles([], _, _, _, _, _, _, _, [], []).
profiles([I|Is], Neighbours, RowA, RowB, B, Between, Numbers, Place, [Gain|Gains], [Inside|Insides]) :-
    arg(I, Neighbours, Ns),
    profile(Ns, RowA, RowB, B, Between, Numbers, Place, 0, Gain, Inside),
    profiles(Is, Neighbours, RowA, RowB, B, Between, Numbers, Place, Gains, Insides).

profile([], _, _, _, _, _, _, Gain, Gain, []).
profile([Neighbour|Ns], RowA, RowB, B, Between, Numbers, Place, Gain0, Gain, Inside) :-
    arg(1, Neighbour, K),
    arg(K, Place, Slot),
    (   Neighbour = _-W
    ->  true
    ;   weight(Neighbour, W)
    ),
    (   Slot =:= B
    ->  arg(K, Numbers, Number),
        Change is 2 * W * Between,
        Gain1 is Gain0 - W * Between,
        Inside = [Number-Change|Inside1]
    ;   arg(Slot, RowA, There),
        arg(Slot, RowB, Here),
        Gain1 is Gain0 + W * (Here - There),
        Inside = Inside1
    ),
    profile(Ns, RowA, RowB, B, Between, Numbers, Place, Gain1, Gain, Inside1).

%   highest(+I, +N, +Values, -Highest): the first of those from I to N with the largest value.

highest(I, N, Values, Highest) :-
    arg(I, Values, Value),
    Next is I + 1,
    highest(Next, N, Values, I, Value, Highest).

highest(I, N, Values, Best, Most, Highest) :-
    (   I > N
    ->  Highest = Best
    ;   arg(I, Values, Value),
        Next is I + 1,
        (   Value > Most
        ->  highest(Next, N, Values, I, Value, Highest)
        ;   highest(Next, N, Values, Best, Most, Highest)
        )
    ).

%   levels(+Seed, +N, +Inside, -Levels): over how many edges each is reached from Seed; N, if it is not.

levels(Seed, N, Inside, Levels) :-
    functor(Levels, levels, N),
    stand(N, Levels, N),
    nb_setarg(Seed, Levels, 0),
    spread([Seed], 1, N, Inside, Levels).

spread([], _, _, _, _).
spread([I|Is], Level, N, Inside, Levels) :-
    reached([I|Is], Level, N, Inside, Levels, Next),
    Further is Level + 1,
    spread(Next, Further, N, Inside, Levels).

reached([], _, _, _, _, []).
reached([I|Is], Level, N, Inside, Levels, Next) :-
    arg(I, Inside, Ks),
    reach(Ks, Level, N, Levels, Next, Rest),
    reached(Is, Level, N, Inside, Levels, Rest).

reach([], _, _, _, Rest, Rest).
reach([K-_|Ks], Level, N, Levels, Next, Rest) :-
    (   arg(K, Levels, N)
    ->  nb_setarg(K, Levels, Level),
        Next = [K|More]
    ;   Next = More
    ),
    reach(Ks, Level, N, Levels, More, Rest).

%   seed(+Turn, +First, +Last, +N, +Turns, -Seed): the one that loses least if it goes, the one farthest from it, then any.

seed(Turn, First, Last, N, Turns, Seed) :-
    (   Turn =:= 1
    ->  Seed = First
    ;   Turn =:= 2
    ->  Seed = Last
    ;   Seed is (Turn - 2) * N // Turns + 1
    ).

%   one_cut(+Seed, +Size, +N, +Gains, +Inside, -Gain, -Sides): Sides has 1 for those on A, Size of them, 0 for the others; they
%   grow from Seed, and are then exchanged.

one_cut(Seed, Size, N, Gains0, Inside, Gain, Sides) :-
    duplicate_term(Gains0, Gains),
    functor(Sides, sides, N),
    stand(N, Sides, 0),
    levels(Seed, N, Inside, Levels),
    go(Seed, 0, 0, Sides, Gains, Inside, 0, Gain1),
    Others is Size - 1,
    grow(Others, N, Levels, Sides, Gains, Inside, Gain1, Gain2),
    better_cut(6, N, Sides, Gains, Inside, Gain2, Gain).

%   go(+I, +Side, +Mark, !Sides, !Gains, +Inside, +Gain0, -Gain): I goes from Side to the other; Mark is added to what Sides
%   says of it then.

go(I, Side, Mark, Sides, Gains, Inside, Gain0, Gain) :-
    arg(I, Gains, Own),
    Gain is Gain0 + Own,
    Less is -Own,
    nb_setarg(I, Gains, Less),
    There is 1 - Side + Mark,
    nb_setarg(I, Sides, There),
    arg(I, Inside, Ks),
    told(Ks, Side, Sides, Gains).

told([], _, _, _).
told([K-Change|Ks], Side, Sides, Gains) :-
    arg(K, Sides, Where),
    arg(K, Gains, Gain0),
    (   Where /\ 1 =:= Side
    ->  Gain is Gain0 + Change
    ;   Gain is Gain0 - Change
    ),
    nb_setarg(K, Gains, Gain),
    told(Ks, Side, Sides, Gains).

%   Of those that gain equally, who is nearest to the seed comes first: what grows is round.

grow(Left, N, Levels, Sides, Gains, Inside, Gain0, Gain) :-
    (   Left =:= 0
    ->  Gain = Gain0
    ;   roundest(1, N, Levels, Sides, Gains, 0, 0, 0, I),
        go(I, 0, 0, Sides, Gains, Inside, Gain0, Gain1),
        Fewer is Left - 1,
        grow(Fewer, N, Levels, Sides, Gains, Inside, Gain1, Gain)
    ).

roundest(J, N, Levels, Sides, Gains, I0, Gain0, Level0, I) :-
    (   J > N
    ->  I = I0
    ;   Next is J + 1,
        (   arg(J, Sides, 0),
            arg(J, Gains, Gain),
            arg(J, Levels, Level),
            ( I0 =:= 0 ; Gain > Gain0 ; Gain =:= Gain0, Level < Level0 )
        ->  roundest(Next, N, Levels, Sides, Gains, J, Gain, Level, I)
        ;   roundest(Next, N, Levels, Sides, Gains, I0, Gain0, Level0, I)
        )
    ).

%   better_cut(+Passes, ...): passes of exchanges while one helps. In a pass nobody goes twice (2 is added to its side); it ends
%   when a quarter of all have been exchanged after the best, and those after the best are taken back.

better_cut(Passes, N, Sides, Gains, Inside, Gain0, Gain) :-
    (   Passes =:= 0
    ->  Gain = Gain0
    ;   Patience is N // 8 + 4,
        exchanges(Patience, Patience, N, Sides, Gains, Inside, Gain0, Gain0, [], Back, Gain1),
        unmark(N, Sides),
        take_back(Back, Sides, Gains, Inside),
        (   Gain1 > Gain0
        ->  Fewer is Passes - 1,
            better_cut(Fewer, N, Sides, Gains, Inside, Gain1, Gain)
        ;   Gain = Gain0
        )
    ).

%   exchanges(+Patience, +Most, ..., +Gain0, +Best0, +Since0, -Back, -Best): Since are the exchanges after the best.

exchanges(Patience, Most, N, Sides, Gains, Inside, Gain0, Best0, Since0, Back, Best) :-
    (   Patience > 0,
        most_gain(1, N, 1, Sides, Gains, 0, 0, I),
        I > 0
    ->  go(I, 1, 2, Sides, Gains, Inside, Gain0, Gain1),
        (   most_gain(1, N, 0, Sides, Gains, 0, 0, K),
            K > 0
        ->  go(K, 0, 2, Sides, Gains, Inside, Gain1, Gain2),
            (   Gain2 > Best0
            ->  exchanges(Most, Most, N, Sides, Gains, Inside, Gain2, Gain2, [], Back, Best)
            ;   Less is Patience - 1,
                exchanges(Less, Most, N, Sides, Gains, Inside, Gain2, Best0, [I-K|Since0], Back, Best)
            )
        ;   Back = [I-0|Since0], Best = Best0
        )
    ;   Back = Since0, Best = Best0
    ).

%   most_gain(+J, +N, +Side, +Sides, +Gains, +I0, +Gain0, -I): of those on Side that have not gone yet; 0 if there is none.

most_gain(J, N, Side, Sides, Gains, I0, Gain0, I) :-
    (   J > N
    ->  I = I0
    ;   Next is J + 1,
        (   arg(J, Sides, Side),
            arg(J, Gains, Gain),
            ( I0 =:= 0 ; Gain > Gain0 )
        ->  most_gain(Next, N, Side, Sides, Gains, J, Gain, I)
        ;   most_gain(Next, N, Side, Sides, Gains, I0, Gain0, I)
        )
    ).

unmark(I, Sides) :-
    (   I =:= 0
    ->  true
    ;   arg(I, Sides, Side0),
        Side is Side0 /\ 1,
        nb_setarg(I, Sides, Side),
        Next is I - 1,
        unmark(Next, Sides)
    ).

take_back([], _, _, _).
take_back([I-K|Back], Sides, Gains, Inside) :-
    go(I, 0, 0, Sides, Gains, Inside, 0, _),
    (   K =:= 0
    ->  true
    ;   go(K, 1, 0, Sides, Gains, Inside, 0, _)
    ),
    take_back(Back, Sides, Gains, Inside).

stand_on_side([], _, _, _, _).
stand_on_side([I|Is], Number, Sides, A, Place) :-
    (   arg(Number, Sides, 1)
    ->  nb_setarg(I, Place, A)
    ;   true
    ),
    Next is Number + 1,
    stand_on_side(Is, Next, Sides, A, Place).
