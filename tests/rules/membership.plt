:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(fixture).
:- use_module('../../rules/skb').
:- use_module('../../rules/placement').
:- use_module('../../rules/membership').
:- use_module('../../rules/schedules').

no_placements :-
    forall(facts:allocation(Domain, _, _), release(Domain)).

placed(Domain, Cores, Text) :-
    length(Cores, Count),
    request(near, Domain, Count, Cores, Text, 0, _).

spanned(Domain, Core) :-
    span(near, Domain, [Core], _).

refusal(Goal, Text) :-
    catch(( Goal, fail ), error(placement_error(Text), _), true).

:- begin_tests(membership, [setup(four_by_four), cleanup(no_machine)]).

test(a_gang_grows_where_it_is, [cleanup(no_placements), Changes == [changed(1, 2, 2, [gang(30, 80, 30, auto, 0)])]]) :-
    placed(1, [0, 1], "G 0.00003 0.00008 0.00003"),
    spanned(1, 2),
    join(1, 2, main, answer(_, Changes)).

test(it_alone_moves_where_the_new_core_is_taken,
     [cleanup(no_placements), Changes == [1-0-30, 1-1-30]]) :-
    placed(1, [0], "G 30 80 30"),
    placed(2, [1], "G 30 80 30"),
    spanned(1, 1),
    join(1, 1, main, answer(_, Changes0)),
    findall(Domain-Dispatcher-Ms,
            ( member(changed(Domain, Dispatcher, _, [gang(_, _, _, _, Ns)]), Changes0), Ms is Ns // 1000000 ),
            Changes).

test(who_leaves_moves_nobody, [cleanup(no_placements), Changes-Slots == [changed(1, 1, 1, [best_effort(1)])]-
                               [ slot(1, 0, 0, gang(30000000, 80000000, 30000000, auto), 0), slot(1, 1, 1, best_effort(1), 0)]]) :-
    placed(1, [0, 1], "G 30 80 30"),
    leave(1, 1, answer(_, Changes)),
    schedule([1-0], Slots, _).

test(and_may_come_back, [cleanup(no_placements), Changes == [changed(1, 1, 1, [gang(30000000, 80000000, 30000000, auto, 0)])]]) :-
    placed(1, [0, 1], "G 30 80 30"),
    leave(1, 1, _),
    join(1, 1, main, answer(_, Changes)).

refused(join(1, 0, main, _), "dispatcher 0 of domain 1 is in group main already").
refused(join(1, 7, main, _), "domain 1 has no dispatcher 7").
refused(join(1, 1, other, _), "the manifest of domain 1 has no group other; there is main").
refused(join(1, 1, main, _), "dispatchers 0 and 1 of the gang main are both on core 0; members of a gang need distinct cores").
refused(join(2, 0, main, _), "domain 2 has no manifest").
refused(leave(1, 1, _), "dispatcher 1 of domain 1 is in no group").

test(what_is_refused, [forall(refused(Goal, Expected)), cleanup(no_placements), true(Text == Expected)]) :-
    placed(1, [0], "G 30 80 30"),
    spanned(1, 0),
    request(near, 2, 1, [3], none, 0, _),
    refusal(Goal, Text).

:- end_tests(membership).
