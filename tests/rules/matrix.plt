:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(random)).
:- use_module('../../rules/store').
:- use_module('../../rules/matrix').

:- begin_tests(matrix, [cleanup(forget(placement))]).

placed(Jobs) :-
    forget(placement),
    findall(allocation(Domain, Dispatcher, Core),
            ( member(Domain-Cores, Jobs), nth0(Dispatcher, Cores, Core) ),
            Facts),
    load_facts(placement, Facts).

test(nobody, Rows == []) :-
    placed([]),
    ousterhout_rows([], Rows).

test(side_by_side, Rows == [[1, 2]]) :-
    placed([1-[0, 1], 2-[2, 3]]),
    ousterhout_rows([1, 2], Rows).

test(one_after_the_other, Rows == [[1], [2]]) :-
    placed([1-[0, 1], 2-[1, 2]]),
    ousterhout_rows([1, 2], Rows).

test(the_largest_first, Rows == [[2], [1, 3]]) :-
    placed([1-[0], 2-[0, 1, 2], 3-[1]]),
    ousterhout_rows([1, 2, 3], Rows).

test(cores_that_a_row_leaves_free_are_used_again, Rows == [[1, 3], [2, 3]]) :-
    placed([1-[0, 1], 2-[0, 1], 3-[2]]),
    ousterhout_rows([1, 2, 3], Rows).

test(who_is_placed_nowhere_is_in_no_row, Rows == [[1]]) :-
    placed([1-[0]]),
    ousterhout_rows([1, 7], Rows).

test(no_core_twice_in_a_row_everybody_somewhere_and_no_row_can_take_more, [forall(between(1, 60, Seed))]) :-
    set_random(seed(Seed)),
    findall(Domain-Cores,
            ( between(1, 8, Domain),
              findall(Core, ( between(0, 7, Core), random(0, 3, 0) ), Cores0),
              ( Cores0 == [] -> Cores = [0] ; Cores = Cores0 )
            ),
            Jobs),
    placed(Jobs),
    numlist(1, 8, Domains),
    ousterhout_rows(Domains, Rows),
    append(Rows, All),
    sort(All, Domains),
    forall(member(Row, Rows),
           (   findall(Core, ( member(Domain, Row), memberchk(Domain-Cores, Jobs), member(Core, Cores) ), Used),
               sort(Used, Distinct),
               assertion(same_length(Used, Distinct)),
               forall(( member(Other-Cores, Jobs), \+ memberchk(Other, Row) ),
                      assertion(( member(Core, Cores), memberchk(Core, Distinct) )))
           )).

:- end_tests(matrix).
