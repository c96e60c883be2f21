:- encoding(utf8).
:- module(packing_exact,
          [ exact/2,                    % !Problem, -Answer
            rehearse_exact/0,
            rehearsed/0
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(clpfd)).
:- use_module(packing).
:- use_module(slots).

/** <module> Whether there is a packing at all, by constraints

If all WCETs, periods and deadlines are multiples of some unit of time, and there are offsets that fit, then these
rounded down to multiples of the unit fit too: what is due between two multiples was due, before, in an interval
that is longer by less than one unit, and work comes in whole units. So each unit of the problem has as many offsets
to try as its period has units of time, and a search of all of them is exact. Constraints (CLP(FD)) narrow it: of
two that can meet on a core, the distance of their offsets, modulo the greatest common divisor of their periods, is
one at which they fit together. The rest is tried, the narrowest domain first, each core being tested as soon as one
of its units has its place.

A module of its own because CLP(FD) takes long to load, and few decisions need it.
*/

%   What a search may take, and the finest grid on which it is done: then constraints alone may show that there is
%   none.

most_inferences(500000).
finest_grid(512).

%!  exact(!Problem, -Answer) is det.
%
%   Answer is `found`, and all units of Problem (packing.pl) have their offsets; `none`: there is no packing; or
%   `unknown`.

exact(Problem, Answer) :-
    most_inferences(Most),
    call_with_inference_limit(searched(Problem, Answer0), Most, Outcome),
    (   Outcome == inference_limit_exceeded
    ->  Answer = unknown
    ;   Answer = Answer0
    ).

searched(problem(Units, Columns), Answer) :-
    grid(problem(Units, Columns), Grid),
    (   fitting(problem(Units, Columns)),
        posted(Units, Grid, Places)
    ->  (   member(_-place(Size, _), Places),
            finest_grid(Finest),
            Size > Finest
        ->  Answer = unknown
        ;   placed(Places, Grid)
        ->  Answer = found
        ;   Answer = none
        )
    ;   Answer = none
    ),
    !.

%   grid(+Problem, -Grid): all times are multiples of it.

grid(problem(_, Columns), Grid) :-
    findall(Time,
            ( member(Column, Columns),
              member(domain(_, Phases), Column),
              member(Tasks, Phases),
              member(task(W, P, D, _), Tasks),
              member(Time, [W, P, D])
            ),
            Times),
    foldl(common_divisor, Times, 0, Grid).

common_divisor(Time, Divisor0, Divisor) :-
    Divisor is gcd(Time, Divisor0).

%   posted(+Units, +Grid, -Places): Unit-place(Size, X), X the unit's offset in Grid, of which there are Size. That
%   of the first
%   is 0: all may slide together.

posted(Units, Grid, Places) :-
    maplist(place(Grid), Units, Places),
    (   Places = [_-place(_, 0)|_]
    ->  true
    ;   Places == []
    ),
    pairs_posted(Places, Grid).

place(Grid, Unit, Unit-place(Size, X)) :-
    Unit = unit(_, _, P, _, _, _),
    Size is P // Grid,
    Last is Size - 1,
    X in 0..Last.

pairs_posted([], _).
pairs_posted([Place|Places], Grid) :-
    maplist(pair_posted(Grid, Place), Places),
    pairs_posted(Places, Grid).

pair_posted(Grid, A-place(_, X), B-place(_, Y)) :-
    (   can_meet(A, B)
    ->  A = unit(_, _, P, _, _, _),
        B = unit(_, _, Q, _, _, _),
        Common is gcd(P, Q) // Grid,
        distances(A, B, Common, Grid, Domain),
        Distance in Domain,
        Distance #= (Y - X) mod Common
    ;   true
    ).

%   distances(+A, +B, +Common, +Grid, -Domain): fails if there are none.

distances(unit(_, W, P, D, _, _), unit(_, V, Q, E, _, _), Common, Grid, Domain) :-
    (   W =:= D, V =:= E
    ->  First is W // Grid,
        Last is Common - V // Grid,
        First =< Last,
        Domain = First..Last
    ;   finest_grid(Finest),
        Common =< Finest
    ->  Most is Common - 1,
        findall(Distance..Distance,
                ( between(0, Most, Distance),
                  Offset is Distance * Grid,
                  column_fits([domain(1, [[task(W, P, D, 0)]]), domain(2, [[task(V, Q, E, Offset)]])])
                ),
                [One|Others]),
        foldl(united, Others, One, Domain)
    ;   Domain = inf..sup
    ).

united(Range, Domain, Domain \/ Range).

%   placed(+Places, +Grid): by narrowest domain.

placed([], _).
placed(Places, Grid) :-
    Places = [First|Rest],
    narrowest(Rest, First, Next),
    exclude(==(Next), Places, Others),
    Next = unit(_, _, _, _, Offset, Columns)-place(_, X),
    indomain(X),
    Offset is X * Grid,
    maplist(column_fits, Columns),
    placed(Others, Grid).

narrowest([], Place, Place).
narrowest([Place|Places], Best, Narrowest) :-
    Place = _-place(_, X),
    Best = _-place(_, Y),
    fd_size(X, Size),
    fd_size(Y, Least),
    (   Size < Least
    ->  narrowest(Places, Place, Narrowest)
    ;   narrowest(Places, Best, Narrowest)
    ).

%!  rehearse_exact is det.
%
%   All that an exact search calls has been called once; libraries resolve some calls when they are first made, which
%   takes a
%   few inferences more.

rehearse_exact :-
    retractall(rehearsed),
    forall(member(Wcet-Deadline, [2-2, 4-4, 2-3, 5-9, 1-1]),
           ( rehearsal(Wcet, Deadline, Problem), exact(Problem, _) )),
    assertz(rehearsed).

%!  rehearsed is semidet.
%
%   rehearse_exact/0 was called.

:- dynamic rehearsed/0.

rehearsal(W, D, problem([unit(u(1, 0, main), W, 10, D, A, [Column]), unit(u(2, 0, main), 2, 20, 2, B, [Column]),
                         unit(u(2, 0, 1), 1, 10, 3, C, [Column])],
                        [Column])) :-
    Column = [domain(1, [[task(W, 10, D, A)]]), domain(2, [[task(2, 20, 2, B), task(1, 10, 3, C)]])].
