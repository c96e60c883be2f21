:- encoding(utf8).
:- module(layout_repair,
          [ least_found/4,              % +Problem, +Effort, +Steps, -Best
            repaired/6                  % +Problem, +Start, +Heat, +Steps, +Seed, -Layout
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(layout).
:- use_module(layout_bisection).
:- use_module(layout_exchange).

/** <module> Layouts made better by moves and exchanges

A layout (layout.pl) and its inverse, who is on which slot, are changed in place (nb_setarg/3). A change is judged
by the edges alone of the dispatchers that it moves. Effort is counted in _steps_, distances looked up, so
that equal questions end at the same point whatever else the machine is doing.
*/

:- set_prolog_flag(optimise, true).

%!  least_found(+Problem, +Effort, +Steps, -Best) is det.
%
%   Best is the cheapest Cost-Place found with about so many Steps. With Effort `small` the two best of few starts are
%   made better by exchanges, and then the better one by more of them; with `large` the best of many are
%   repaired, each from another heat (to move whole groups takes much of it, single dispatchers little), and then the best
%   so far with little heat twice, and by exchanges.

least_found(Problem, Effort, Steps, Best) :-
    findall(Cost-Place,
            ( start(Effort, Problem, Place), layout_total(Problem, Place, Cost) ),
            Starts0),
    sort(Starts0, Starts),
    Starts = [Start|Others],
    (   Effort == small, dense(Problem)
    ->  Half is Steps // 2,
        findall(Layout, ( member(Heat, [2, 32]), repaired(Problem, Start, Heat, Half, 1, Layout) ), Layouts),
        keysort(Layouts, [Best|_])
    ;   Effort == small
    ->  exchanged_and_shaken(Problem, Starts, Steps, Best)
    ;   first(2, Others, Next),
        append([[Start, Start], Next, [Start]], Chosen),
        Each is Steps // 7,
        findall(Layout,
                ( nth1(Seed, Chosen, From), nth1(Seed, [8, 64, 32, 128, 2], Heat),
                  repaired(Problem, From, Heat, Each, Seed, Layout)
                ),
                Layouts),
        keysort(Layouts, [Best0|_]),
        repaired(Problem, Best0, 8, Each, 11, Best1),
        repaired(Problem, Best1, 2, Each, 12, Best2),
        (   dense(Problem)
        ->  Best = Best2
        ;   shaken(Problem, Best2, Each, Best)
        )
    ).

%   exchanged_and_shaken(+Problem, +Starts, +Steps, -Best): a step of an exchange takes half as long as one of repair, and
%   of few dispatchers all has soon been tried.

exchanged_and_shaken(Problem, Starts, Steps, Best) :-
    Problem = problem(_, _, _, _, _, _, N, Slots, _),
    ( few(N) -> Tried is 2 + 96 // N ; Tried = 2 ),
    first(Tried, Starts, Chosen),
    Most is 40000 + Steps,
    findall(Layout-Left, ( member(Start, Chosen), exchanged(Problem, Start, Most, Left, Layout) ), Found),
    pairs_keys_values(Found, Layouts, Lefts),
    keysort(Layouts, [Best0|_]),
    sum_list(Lefts, Left0),
    Left is min(Left0, 200 * N * N),
    shaken(Problem, Best0, Left, Best1),
    (   few(N), Slots > N
    ->  Quarter is Steps // 4,              % who is on a slot can exchange only; others take them by moves
        findall(Layout, ( member(Heat, [2, 32]), repaired(Problem, Best1, Heat, Quarter, 1, Layout) ), More),
        keysort([Best1|More], [Best|_])
    ;   Best = Best1
    ).

%   start(+Effort, +Problem, -Place) is nondet.

start(_, Problem, Place) :-
    in_order(Problem, Place).
start(Effort, Problem, Place) :-
    compact(Problem, [First|Seeds]),
    ( dense(Problem) -> Dense = true ; Dense = false ),
    (   (   Seed = First
        ;   seeds_elsewhere(Effort, Problem, First, Seeds, Others),
            member(Seed, Others)
        ),
        chain(Problem, Seed, min, Chain),
        pairs_keys(Chain, Slots),
        (   Place =.. [place|Slots]
        ;   Dense == false,
            cuts(Effort, Problem, Cuts),
            bisected(Problem, Chain, Cuts, Place)
        ;   Dense == false,
            Effort == large,
            by_slot(Problem, Slots, Place)
        )
    ;   ( Dense == true ; Effort == large ),
        chain(Problem, First, sum, Chain),
        pairs_keys(Chain, Slots),
        (   Place =.. [place|Slots]
        ;   Dense == false, by_slot(Problem, Slots, Place)
        )
    ;   Dense == false, by_dispatcher(Problem, First, Place)
    ).

%   seeds_elsewhere(+Effort, +Problem, +First, +Seeds, -Others): what Effort allows to try beside First: those next to it, and those
%   of which so many slots as are needed lie elsewhere. Of few dispatchers it may be another cache or package that suits.

seeds_elsewhere(Effort, Problem, First, Seeds, Others) :-
    arg(7, Problem, N),
    (   Effort == large
    ->  first(2, Seeds, Next),
        apart(2, First, Seeds, Problem, Apart),
        append(Next, Apart, Others0),
        sort(Others0, Others)
    ;   few(N)
    ->  Most is min(15, 96 // N - 1),
        apart(Most, First, Seeds, Problem, Others)
    ;   Others = []
    ).

few(N) :-
    N =< 16.

apart(Most, Seed, Seeds, Problem, Apart) :-
    (   Most > 0,
        chain(Problem, Seed, min, Chain),
        pairs_keys(Chain, Slots),
        subtract(Seeds, Slots, Left),
        Left = [Next|_]
    ->  Apart = [Next|Rest],
        Fewer is Most - 1,
        apart(Fewer, Next, Left, Problem, Rest)
    ;   Apart = []
    ).

%   cuts(+Effort, +Problem, -Cuts): so many are tried each time; the more edges there are, the longer one takes.

cuts(Effort, Problem, Cuts) :-
    (   Effort == large
    ->  Cuts = 8
    ;   ends(Problem, Ends),
        arg(7, Problem, N),
        Ends > 5 * N
    ->  Cuts = 2
    ;   Cuts = 4
    ).

%   Where nearly everybody talks with nearly everybody, what matters is which slots are taken; constructions that look at
%   every edge again and again take long and say little.

dense(Problem) :-
    ends(Problem, Ends),
    arg(7, Problem, N),
    Ends > 24 * N.

ends(problem(_, _, _, Neighbours, _, _, _, _, _), Ends) :-
    Neighbours =.. [_|Lists],
    foldl(add_length, Lists, 0, Ends).

add_length(List, Sum0, Sum) :-
    length(List, Length),
    Sum is Sum0 + Length.

first(Most, List, First) :-
    (   Most > 0, List = [Head|Tail]
    ->  First = [Head|Rest],
        Fewer is Most - 1,
        first(Fewer, Tail, Rest)
    ;   First = []
    ).

%!  repaired(+Problem, +Start, +Heat, +Steps, +Seed, -Layout) is det.
%
%   From Start (Cost-Place) to Layout, Cost-Place of no greater cost, with about so many Steps. Moves and exchanges near
%   those a dispatcher talks with: first some that make it worse are let pass, fewer and fewer (threshold accepting,
%   Dueck and Scheuer 1990; at first up to Heat eighths of what a dispatcher costs on average; the numbers that choose are those
%   of a generator that starts from Seed), then only what makes it better.

repaired(Problem, Cost0-Start, Heat, Steps, Seed, Layout) :-
    Problem = problem(_, _, _, _, _, _, N, Count, _),
    duplicate_term(Start, Place),
    free_slots(Problem, Taken),
    occupy(N, Place, Taken),
    duplicate_term(Start, Best),
    State = state(Place, Taken, Best, Cost0),
    Reach is min(Count - 1, 12),
    (   ( Cost0 =:= 0 ; Reach =:= 0 )
    ->  true
    ;   Threshold is max(1, Heat * Cost0 // N // 8),
        Annealing is Steps * 4 // 5,
        anneal(Annealing, Annealing, Threshold, Seed, Cost0, Problem, Reach, State, Cost1),
        keep_best(Cost1, State),
        restore(State, Problem),
        arg(4, State, Cost2),
        Descent is Steps - Annealing,
        descend(Descent, Cost2, Problem, Reach, State)
    ),
    arg(4, State, Cost),
    arg(3, State, Final),
    Layout = Cost-Final.

occupy(I, Place, Taken) :-
    (   I =:= 0
    ->  true
    ;   arg(I, Place, Slot),
        nb_setarg(Slot, Taken, I),
        Next is I - 1,
        occupy(Next, Place, Taken)
    ).

keep_best(Cost, State) :-
    arg(4, State, Least),
    (   Cost < Least
    ->  arg(1, State, Place),
        nb_setarg(3, State, Place),     % a copy
        nb_setarg(4, State, Cost)
    ;   true
    ).

restore(State, Problem) :-
    arg(3, State, Best),
    nb_setarg(1, State, Best),
    free_slots(Problem, Taken),
    arg(7, Problem, N),
    occupy(N, Best, Taken),
    nb_setarg(2, State, Taken).

%   anneal(+Left, +Steps, +Heat, +Random, +Cost0, +Problem, +Reach, !State, -Cost)

anneal(Left, Steps, Heat, X0, Cost0, Problem, Reach, State, Cost) :-
    (   Left =< 0
    ->  Cost = Cost0
    ;   Problem = problem(_, _, _, _, Pairs, Near, N, _, _),
        State = state(Place, Taken, _, _),
        X1 is (X0 * 1103515245 + 12345) /\ 0x7fffffff,
        I is (X1 >> 8) mod N + 1,
        arg(I, Pairs, Ks),
        compound_name_arity(Ks, _, Degree),
        (   Degree =:= 0
        ->  Next is Left - 1,
            anneal(Next, Steps, Heat, X1, Cost0, Problem, Reach, State, Cost)
        ;   X2 is (X1 * 1103515245 + 12345) /\ 0x7fffffff,
            Which is (X2 >> 8) mod Degree + 1,
            arg(Which, Ks, K),
            arg(K, Place, Center),
            arg(Center, Near, Nearest),
            X is (X2 * 1103515245 + 12345) /\ 0x7fffffff,
            (   (X >> 16) /\ 63 =:= 0
            ->  functor(Nearest, _, Everywhere),
                Rank is (X >> 8) mod Everywhere + 1
            ;   Rank is (X >> 8) mod Reach + 1
            ),
            arg(Rank, Nearest, Target),
            arg(Target, Taken, There),
            (   ( There =:= I ; There < 0 )
            ->  Next is Left - 1,
                anneal(Next, Steps, Heat, X, Cost0, Problem, Reach, State, Cost)
            ;   change(Problem, Place, I, There, Target, Own, Delta, Taking),
                Cooling is (Left << 10) // Steps,
                Threshold is (Heat * Cooling * Cooling * Cooling * ((X >> 20) /\ 255)) >> 38,
                Next is Left - Taking,
                (   Delta =< Threshold
                ->  ( Delta > 0 -> keep_best(Cost0, State) ; true ),
                    carry_out(Place, Taken, I, There, Own, Target),
                    Cost1 is Cost0 + Delta
                ;   Cost1 = Cost0
                ),
                anneal(Next, Steps, Heat, X, Cost1, Problem, Reach, State, Cost)
            )
        )
    ).

%   change(+Problem, +Place, +Dispatcher, +There, +Target, -Own, -Delta, -Steps): what it would change if Dispatcher, on
%   slot Own, went to Target, and who is There (0: nobody) came in its stead.

change(Problem, Place, I, There, Target, Own, Delta, Steps) :-
    Problem = problem(Kind, M, T, Neighbours, _, _, _, _, _),
    arg(I, Place, Own),
    arg(I, Neighbours, Ns),
    cost_on(Problem, Place, I, Own, Before),
    length(Ns, Degree),
    (   There =:= 0
    ->  cost_on(Problem, Place, I, Target, After),
        Delta is After - Before,
        Steps is 2 * Degree + 2
    ;   arg(There, Neighbours, Others),
        length(Others, OtherDegree),
        Steps is 2 * (Degree + OtherDegree) + 4,
        cost_on(Problem, Place, There, Target, OtherBefore),
        nb_setarg(I, Place, Target),
        nb_setarg(There, Place, Own),
        cost_on(Problem, Place, I, Target, After),
        cost_on(Problem, Place, There, Own, OtherAfter),
        nb_setarg(I, Place, Own),
        nb_setarg(There, Place, Target),
        (   Kind == directed,
            memberchk(n(There, Out, In), Ns)
        ->  arg(Own, M, Row), arg(Target, Row, Forth),
            arg(Own, T, Column), arg(Target, Column, Back),
            Twice is (Out - In) * (Back - Forth)    % their own edge was counted from both ends
        ;   Twice = 0
        ),
        Delta is After + OtherAfter - Before - OtherBefore - Twice
    ).

carry_out(Place, Taken, I, There, Own, Target) :-
    nb_setarg(I, Place, Target),
    nb_setarg(Target, Taken, I),
    nb_setarg(Own, Taken, There),
    (   There =:= 0
    ->  true
    ;   nb_setarg(There, Place, Own)
    ).

%   descend(+Left, +Cost, +Problem, +Reach, !State): whoever can do better near somebody it talks with does, until nobody
%   can.

descend(Left0, Cost0, Problem, Reach, State) :-
    arg(7, Problem, N),
    sweep(1, N, Left0, Cost0, Problem, Reach, State, Cost, Left),
    keep_best(Cost, State),
    (   Cost < Cost0,
        Left > 0
    ->  descend(Left, Cost, Problem, Reach, State)
    ;   true
    ).

sweep(I, N, Left0, Cost0, Problem, Reach, State, Cost, Left) :-
    (   ( I > N ; Left0 =< 0 )
    ->  Cost = Cost0, Left = Left0
    ;   Problem = problem(_, _, _, _, Pairs, _, _, _, _),
        arg(I, Pairs, Ks),
        compound_name_arity(Ks, _, Degree),
        Around is min(Degree, 8),
        around(Around, Ks, I, Left0, Cost0, Problem, Reach, State, Cost1, Left1),
        Next is I + 1,
        sweep(Next, N, Left1, Cost1, Problem, Reach, State, Cost, Left)
    ).

around(Which, Ks, I, Left0, Cost0, Problem, Reach, State, Cost, Left) :-
    (   Which =:= 0
    ->  Cost = Cost0, Left = Left0
    ;   Problem = problem(_, _, _, _, _, Near, _, _, _),
        State = state(Place, _, _, _),
        arg(Which, Ks, K),
        arg(K, Place, Center),
        arg(Center, Near, Nearest),
        nearby(Reach, Nearest, I, Left0, Cost0, Problem, State, Cost1, Left1),
        Next is Which - 1,
        around(Next, Ks, I, Left1, Cost1, Problem, Reach, State, Cost, Left)
    ).

nearby(Rank, Nearest, I, Left0, Cost0, Problem, State, Cost, Left) :-
    (   ( Rank =:= 0 ; Left0 =< 0 )
    ->  Cost = Cost0, Left = Left0
    ;   State = state(Place, Taken, _, _),
        arg(Rank, Nearest, Target),
        arg(Target, Taken, There),
        Next is Rank - 1,
        (   ( There =:= I ; There < 0 )
        ->  nearby(Next, Nearest, I, Left0, Cost0, Problem, State, Cost, Left)
        ;   change(Problem, Place, I, There, Target, Own, Delta, Taking),
            Left1 is Left0 - Taking,
            (   Delta < 0
            ->  carry_out(Place, Taken, I, There, Own, Target),
                Cost1 is Cost0 + Delta
            ;   Cost1 = Cost0
            ),
            nearby(Next, Nearest, I, Left1, Cost1, Problem, State, Cost, Left)
        )
    ).
