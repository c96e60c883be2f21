:- encoding(utf8).
:- use_module('../../rules/records').
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(apply)).

:- begin_tests(record_coordination, [cleanup(no_records_left)]).

%   by(+Owner, +Operation, -Outcome): outcomes without what is inside; and what notices came.

by(Owner, Operation, Outcome) :-
    by(Owner, Operation, Outcome, _).

by(Owner, Operation, Brief, Events) :-
    operate(Operation, Owner, Outcome, Notices),
    brief(Outcome, Brief),
    findall(W-Event-Who, member(notice(W, Who, Event, _, true), Notices), Events).

brief(Outcome, Brief) :-
    (   Outcome =.. [What, record(Name, _, _, _)]
    ->  Brief =.. [What, Name]
    ;   Outcome = failed(Kind, _)
    ->  Brief = failed(Kind)
    ;   Brief = Outcome
    ).

names(Query, Names) :-
    by(0, get_names(Query), names(Names)).

%   -- locks; usr/tests/octopus/d2locksimple.c

test(a_lock_is_held_by_one, [setup(no_records_left), true(A-B == granted(l_0)-blocked(W))]) :-
    by(1, lock("l"), A),
    by(2, lock("l"), B),
    B = blocked(W).
test(locks_are_granted_in_turn, [setup(no_records_left), true(Granted == [[B-granted-2], [C-granted-3], []])]) :-
    by(1, lock("l"), _),
    by(2, lock("l"), blocked(B)),
    by(3, lock("l"), blocked(C)),
    maplist([Owner, Events]>>by(Owner, unlock("l"), done, Events), [1, 2, 3], Granted),
    names("_", []).
test(only_the_holder_unlocks, [setup(no_records_left), true(Outcomes == [failed(not_held), failed(not_held)])]) :-
    by(1, unlock("l"), Before),
    by(1, lock("l"), _),
    by(2, unlock("l"), Other),
    Outcomes = [Before, Other].
test(a_lock_can_be_looked_at, [setup(no_records_left), true(Names == [l_0, l_1])]) :-
    by(1, lock("l"), _),
    by(2, lock("l"), _),
    names("_ { lock: 'l' }", Names).
test(locks_of_like_names_are_apart, [setup(no_records_left), true(Outcomes == [granted(l_0), granted('l_0_0'), granted(m_0)])]) :-
    maplist([Name, Outcome]>>by(1, lock(Name), Outcome), ["l", "l_0", "m"], Outcomes).
test(the_holder_s_death_passes_the_lock_on, [setup(no_records_left), true(Events == [B-granted-2])]) :-
    by(1, lock("l"), _),
    by(2, lock("l"), blocked(B)),
    by(1, owner_died, died([l_0]), Events).
test(who_dies_in_line_leaves_it, [setup(no_records_left), true(Died-Events == []-[C-granted-3])]) :-
    by(1, lock("l"), _),
    by(2, lock("l"), blocked(_)),
    by(3, lock("l"), blocked(C)),
    by(2, owner_died, died([l_1]), Died),
    by(1, unlock("l"), done, Events).
test(who_gives_up_leaves_the_line, [setup(no_records_left), true(Removed-Events == [B-removed-2]-[C-granted-3])]) :-
    by(1, lock("l"), _),
    by(2, lock("l"), blocked(B)),
    by(3, lock("l"), blocked(C)),
    by(2, remove(B), done, Removed),
    by(1, unlock("l"), done, Events).
test(who_dies_as_holder_and_in_line_is_out_of_both, [setup(no_records_left), true(Events == [C-granted-2])]) :-
    by(1, lock("l"), _),
    by(1, lock("l"), blocked(_)),
    by(2, lock("l"), blocked(C)),
    by(1, owner_died, _, Events).
test(whose_record_another_deletes_gets_nothing, [setup(no_records_left), true(Events == [B-removed-2, C-granted-3])]) :-
    by(1, lock("l"), _),
    by(2, lock("l"), blocked(B)),
    by(3, lock("l"), blocked(C)),
    by(0, del("l_1", any), _, _),
    by(1, unlock("l"), done, Unordered),
    msort(Unordered, Events).
test(a_lock_s_name_is_a_name_alone, throws(error(record_syntax(1, 1, _), _))) :-
    by(1, lock("l { a: 1 }"), _).

%   -- barriers; usr/tests/octopus/d2barrier.c

test(a_barrier_opens_when_all_have_come, [setup(no_records_left),
      true(Outcome-Events == passed(b_2)-[A-opened-1, B-opened-2])]) :-
    by(1, enter("b", 3), blocked(A)),
    by(2, enter("b", 3), blocked(B)),
    by(3, enter("b", 3), Outcome, Events).
test(a_barrier_is_left_when_all_have_left, [setup(no_records_left), true(Outcome-Events-Names == left-[A-left-1]-[])]) :-
    by(1, enter("b", 2), _),
    by(2, enter("b", 2), _),
    by(1, leave("b"), blocked(A)),
    by(2, leave("b"), Outcome, Events),
    names("_", Names).
test(a_barrier_of_one_is_open, [setup(no_records_left), true(In-Out == passed(b_0)-left)]) :-
    by(1, enter("b", 1), In),
    by(1, leave("b"), Out).
test(a_barrier_is_used_again, [setup(no_records_left), true(Rounds == [passed(b_1), passed(b_3), passed(b_5)])]) :-
    findall(Second,
            (   member(_, [1, 2, 3]),
                by(1, enter("b", 2), blocked(_)),
                by(2, enter("b", 2), Second),
                by(1, leave("b"), blocked(_)),
                by(2, leave("b"), left)
            ),
            Rounds).
test(the_dead_are_not_counted, [setup(no_records_left), true(Outcomes == [blocked(C), passed(b_3)])]) :-
    by(1, enter("b", 3), blocked(_)),
    by(2, enter("b", 3), blocked(_)),
    by(2, owner_died, _),
    by(3, enter("b", 3), Third),
    by(4, enter("b", 3), Fourth),
    Outcomes = [Third, Fourth],
    Third = blocked(C).
test(a_death_inside_is_a_leaving, [setup(no_records_left), true(Events-Names == [A-left-1]-[])]) :-
    by(1, enter("b", 2), _),
    by(2, enter("b", 2), _),
    by(1, leave("b"), blocked(A)),
    by(2, owner_died, _, Events),
    names("_", Names).
test(all_agree_on_the_count, [setup(no_records_left), true(Outcome == failed(mismatch))]) :-
    by(1, enter("b", 3), _),
    by(2, enter("b", 2), Outcome).
test(a_barrier_wants_a_name_of_its_own, [setup(no_records_left), true(Outcome == failed(exists))]) :-
    by(0, set("b { open: maybe }", plain, any), _),
    by(1, enter("b", 2), Outcome).
test(who_is_not_inside_does_not_leave, [setup(no_records_left), true(Outcome == failed(not_entered))]) :-
    by(1, enter("b", 2), _),
    by(2, leave("b"), Outcome).
test(who_leaves_a_barrier_that_is_closed_is_out, [setup(no_records_left), true(Outcome-Events-Names == left-[A-removed-1]-[])]) :-
    by(1, enter("b", 2), blocked(A)),
    by(1, leave("b"), Outcome, Events),
    names("_", Names).
test(who_gives_up_is_out, [setup(no_records_left), true(Names == [])]) :-
    by(1, enter("b", 2), blocked(A)),
    by(1, remove(A), done),
    names("_", Names).

%   -- semaphores; usr/tests/octopus/d2sem.c

test(as_many_pass_as_there_are_tokens, [setup(no_records_left),
      true(Outcomes == [acquired('sem.0.0'), acquired('sem.0.1'), none])]) :-
    by(0, new_semaphore(2), semaphore(Id)),
    length(Outcomes, 3),
    maplist(by(1, try_acquire(Id)), Outcomes).
test(who_waits_longest_is_first, [setup(no_records_left), true(Events == [[A-acquired-1], [B-acquired-2], []])]) :-
    by(0, new_semaphore(0), semaphore(Id)),
    by(1, acquire(Id), blocked(A)),
    by(2, acquire(Id), blocked(B)),
    length(Events, 3),
    maplist(by(3, post(Id), done), Events),
    names("_ { sem: _ }", [_]).
test(a_token_set_by_hand_is_one, [setup(no_records_left), true(Events == [A-acquired-1])]) :-
    by(0, new_semaphore(0), semaphore(0)),
    by(1, acquire(0), blocked(A)),
    by(0, set("sem.0. { sem: 0 }", sequential, any), _, Events).
test(the_dead_do_not_wait, [setup(no_records_left), true(Events == [B-acquired-2])]) :-
    by(0, new_semaphore(0), semaphore(Id)),
    by(1, acquire(Id), blocked(_)),
    by(2, acquire(Id), blocked(B)),
    by(1, owner_died, _),
    by(3, post(Id), done, Events).
test(a_semaphore_goes_with_its_domain, [setup(no_records_left), true(Events-Names-Later == [A-removed-1]-[]-failed(no_semaphore))]) :-
    by(7, new_semaphore(1), semaphore(Id)),
    by(2, acquire(Id), acquired(_)),
    by(1, acquire(Id), blocked(A)),
    by(7, owner_died, _, Events),
    names("_", Names),
    by(1, post(Id), Later).
test(there_are_many_semaphores, [setup(no_records_left), true(Ids == [0, 1])]) :-
    by(0, new_semaphore(1), semaphore(A)),
    by(0, new_semaphore(1), semaphore(B)),
    Ids = [A, B].

:- end_tests(record_coordination).
