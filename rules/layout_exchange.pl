:- encoding(utf8).
:- module(layout_exchange,
          [ exchanged/5,                % +Problem, +Start, +Steps, -Left, -Layout
            shaken/4                    % +Problem, +Start, +Steps, -Layout
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(layout).

/** <module> Layouts made better by exchanging any two dispatchers

The slots that are taken stay the same; any two dispatchers may exchange theirs, until no exchange helps. What each dispatcher
would cost on each of these slots is kept in a table, in which an exchange is judged by four look-ups, and which is put
right in the rows of those alone who talk with the two that have exchanged (tables of this kind: Taillard 1991).
*/

:- set_prolog_flag(optimise, true).

%!  exchanged(+Problem, +Start, +Steps, -Left, -Layout) is det.
%
%   From Start (Cost-Place) to Layout, Cost-Place of no greater cost. With few Steps it may end before no exchange helps;
%   Left are those that were not needed (layout_repair.pl says what a step is).

exchanged(Problem, Start, Steps, Left, Layout) :-
    searched(Problem, Start, Steps, false, Left, Layout).

%!  shaken(+Problem, +Start, +Steps, -Layout) is det.
%
%   The same with all of Steps: where no exchange helps, a few are made at random and the search goes on from there; what
%   comes of it counts if it is no dearer (iterated local search; the numbers are those of a generator).

shaken(Problem, Start, Steps, Layout) :-
    searched(Problem, Start, Steps, true, _, Layout).

searched(Problem, Cost0-Place0, Steps, Shaking, Left, Cost-Place) :-
    Problem = problem(Kind, M, _, Neighbours, _, _, N, _, _),
    Place0 =.. [_|Slots],
    maplist(among(M, Slots), Slots, Rows),
    D =.. [among|Rows],
    (   Kind == mutual
    ->  T = D
    ;   numlist(1, N, Columns),
        maplist(column(D), Columns, Back),
        T =.. [back|Back]
    ),
    numlist(1, N, Numbers),
    At =.. [at|Numbers],                % dispatcher to position; at first I is on position I
    Table =.. [costs|Numbers],
    table(N, Neighbours, D, T, N, Table),
    Building is N * N * 2,              % steps that the table takes
    Left0 is Steps - Building,
    sweep(1, N, 0, Neighbours, D, T, Table, At, Cost0, Left0, Cost1, Left1),
    (   Shaking == true, N > 3
    ->  shake(Left1, 1, N, Neighbours, D, T, Table, At, Cost1, Cost, Last),
        Left = 0
    ;   Cost = Cost1, Left = Left1, Last = At
    ),
    Where =.. [slots|Slots],
    Last =.. [_|Positions],
    maplist(slot_at(Where), Positions, Final),
    Place =.. [place|Final].

slot_at(Where, Position, Slot) :-
    arg(Position, Where, Slot).

%   A dispatcher is at no distance from itself: what is looked up while another stands for it does not count.

among(M, Slots, Slot, Among) :-
    arg(Slot, M, Row),
    distances(Slots, Slot, Row, Distances),
    Among =.. [row|Distances].

distances([], _, _, []).
distances([Other|Slots], Slot, Row, [Distance|Distances]) :-
    (   Other =:= Slot
    ->  Distance = 0
    ;   arg(Other, Row, Distance)
    ),
    distances(Slots, Slot, Row, Distances).

column(D, Position, Column) :-
    D =.. [_|Rows],
    maplist(arg(Position), Rows, Distances),
    Column =.. [row|Distances].

%   table(+I, ...): the rows of dispatchers 1 to I.

table(I, Neighbours, D, T, N, Table) :-
    (   I =:= 0
    ->  true
    ;   arg(I, Neighbours, Ns),
        edges(Ns, D, T, Edges),
        numlist(1, N, Positions),
        maplist(cost_at_position(Edges), Positions, Costs),
        Row =.. [row|Costs],
        nb_linkarg(I, Table, Row),
        Next is I - 1,
        table(Next, Neighbours, D, T, N, Table)
    ).

%   Distances to (and from) the position of a neighbour, which at first is its number; a column of D is a row of T.

edges([], _, _, []).
edges([K-W|Ns], D, T, [edge(W, To, 0, To)|Edges]) :-
    !,
    arg(K, T, To),
    edges(Ns, D, T, Edges).
edges([n(K, Out, In)|Ns], D, T, [edge(Out, To, In, From)|Edges]) :-
    arg(K, T, To),
    arg(K, D, From),
    edges(Ns, D, T, Edges).

cost_at_position(Edges, Position, Cost) :-
    summed(Edges, Position, 0, Cost).

summed([], _, Cost, Cost).
summed([edge(Out, To, In, From)|Edges], Position, Cost0, Cost) :-
    arg(Position, To, Forth),
    (   In =:= 0
    ->  Cost1 is Cost0 + Out * Forth
    ;   arg(Position, From, Back),
        Cost1 is Cost0 + Out * Forth + In * Back
    ),
    summed(Edges, Position, Cost1, Cost).

%   sweep(+I, +N, +Since, ...): each dispatcher in turn exchanges with whom that saves most, until all have had a turn since the
%   last exchange.

sweep(I, N, Since, Neighbours, D, T, Table, At, Cost0, Left0, Cost, Left) :-
    (   ( Since >= N ; Left0 =< 0 )
    ->  Cost = Cost0, Left = Left0
    ;   arg(I, Table, Row),
        arg(I, At, P),
        arg(P, Row, Here),
        arg(I, Neighbours, Ns),
        partner(1, N, I, P, Here, Row, Ns, D, Table, At, 0, 0, J, Delta),
        ( I =:= N -> Next = 1 ; Next is I + 1 ),
        Left1 is Left0 - 6 * N,
        (   Delta < 0
        ->  exchange(I, J, N, Neighbours, D, T, Table, At, Left1, Left2),
            Cost1 is Cost0 + Delta,
            sweep(Next, N, 0, Neighbours, D, T, Table, At, Cost1, Left2, Cost, Left)
        ;   More is Since + 1,
            sweep(Next, N, More, Neighbours, D, T, Table, At, Cost0, Left1, Cost, Left)
        )
    ).

%   shake(+Left, +Random, ...): -Last is where everybody is at last.

shake(Left0, X0, N, Neighbours, D, T, Table0, At0, Cost0, Cost, Last) :-
    (   Left0 =< 0
    ->  Cost = Cost0, Last = At0
    ;   duplicate_term(Table0, Table),
        duplicate_term(At0, At),
        Left1 is Left0 - N * N // 4,
        shuffle(3, X0, X, N, Neighbours, D, T, Table, At, Cost0, Cost1, Left1, Left2),
        sweep(1, N, 0, Neighbours, D, T, Table, At, Cost1, Left2, Cost2, Left),
        (   Cost2 =< Cost0
        ->  shake(Left, X, N, Neighbours, D, T, Table, At, Cost2, Cost, Last)
        ;   shake(Left, X, N, Neighbours, D, T, Table0, At0, Cost0, Cost, Last)
        )
    ).

shuffle(Times, X0, X, N, Neighbours, D, T, Table, At, Cost0, Cost, Left0, Left) :-
    (   Times =:= 0
    ->  X = X0, Cost = Cost0, Left = Left0
    ;   X1 is (X0 * 1103515245 + 12345) /\ 0x7fffffff,
        I is (X1 >> 8) mod N + 1,
        X2 is (X1 * 1103515245 + 12345) /\ 0x7fffffff,
        J is (I + (X2 >> 8) mod (N - 1)) mod N + 1,
        arg(I, At, P), arg(J, At, Q),
        arg(I, Table, RowI), arg(J, Table, RowJ),
        arg(P, RowI, Here), arg(Q, RowI, Mine), arg(P, RowJ, Its), arg(Q, RowJ, There),
        arg(I, Neighbours, Ns),
        own_edge(Ns, J, P, Q, D, Edge),
        Cost1 is Cost0 + Mine + Its - Here - There + Edge,
        exchange(I, J, N, Neighbours, D, T, Table, At, Left0, Left1),
        Fewer is Times - 1,
        shuffle(Fewer, X2, X, N, Neighbours, D, T, Table, At, Cost1, Cost, Left1, Left)
    ).

partner(K, N, I, P, Here, Row, Ns, D, Table, At, J0, Delta0, J, Delta) :-
    (   K > N
    ->  J = J0, Delta = Delta0
    ;   arg(K, At, Q),
        arg(K, Table, Other),
        arg(Q, Row, Mine),
        arg(P, Other, Its),
        arg(Q, Other, There),
        Next is K + 1,
        Apart is Mine + Its - Here - There,
        (   Apart < Delta0,
            K =\= I,
            own_edge(Ns, K, P, Q, D, Edge),
            Delta1 is Apart + Edge,
            Delta1 < Delta0
        ->  partner(Next, N, I, P, Here, Row, Ns, D, Table, At, K, Delta1, J, Delta)
        ;   partner(Next, N, I, P, Here, Row, Ns, D, Table, At, J0, Delta0, J, Delta)
        )
    ).

%   own_edge(+Neighbours, +K, +P, +Q, +D, -Edge): the edge between the two, which each has counted as if the other went away from
%   it, with one of them on P and on Q, and the other way round.

own_edge([], _, _, _, _, 0).
own_edge([Neighbour|Ns], K, P, Q, D, Edge) :-
    (   arg(1, Neighbour, K)
    ->  weight(Neighbour, W0),
        ( Neighbour = _-_ -> W is 2 * W0, Back = 0 ; W = W0, arg(Q, D, Row1), arg(P, Row1, Back0), Back is W * Back0 ),
        arg(P, D, Row),
        arg(Q, Row, Forth),
        Edge is W * Forth + Back
    ;   own_edge(Ns, K, P, Q, D, Edge)
    ).

exchange(I, J, N, Neighbours, D, T, Table, At, Left0, Left) :-
    arg(I, At, P),
    arg(J, At, Q),
    nb_setarg(I, At, Q),
    nb_setarg(J, At, P),
    arg(P, T, FromP), arg(Q, T, FromQ),
    arg(P, D, ToP), arg(Q, D, ToQ),
    arg(I, Neighbours, OfI),
    told(OfI, FromP, FromQ, ToP, ToQ, N, Table, Left0, Left1),
    arg(J, Neighbours, OfJ),
    told(OfJ, FromQ, FromP, ToQ, ToP, N, Table, Left1, Left).

%   told(+Neighbours, +Before, +After, ...): they cost otherwise everywhere, for the one they talk with has gone from Before to
%   After; of a directed edge, from that one's side, Out is what comes in.

told([], _, _, _, _, _, _, Left, Left).
told([Neighbour|Ns], Before, After, Back0, Back, N, Table, Left0, Left) :-
    arg(1, Neighbour, K),
    arg(K, Table, Row),
    (   Neighbour = _-W
    ->  changed(N, W, Before, After, Row)
    ;   Neighbour = n(_, Out, In),
        changed(N, In, Before, After, Row),
        changed(N, Out, Back0, Back, Row)
    ),
    Left1 is Left0 - 4 * N,
    told(Ns, Before, After, Back0, Back, N, Table, Left1, Left).

changed(Position, W, Before, After, Row) :-
    (   ( Position =:= 0 ; W =:= 0 )
    ->  true
    ;   arg(Position, Before, Was),
        arg(Position, After, Is),
        (   Was =:= Is
        ->  true
        ;   arg(Position, Row, Cost0),
            Cost is Cost0 + W * (Is - Was),
            nb_setarg(Position, Row, Cost)
        ),
        Next is Position - 1,
        changed(Next, W, Before, After, Row)
    ).
