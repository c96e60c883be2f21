:- use_module('../../rules/skb').
:- use_module('fixture').
:- use_module(library(plunit)).

:- begin_tests(negotiation, [setup(four_by_four), cleanup(store:forget_machine)]).

anew(Goal) :-
    snapshot(once(Goal)).

domain(Domain, Dispatchers, Cores, Text) :-
    placement:request(near, Domain, Dispatchers, Cores, Text, 0, _).

refused(Goal, Text) :-
    catch(( Goal, Text = "not refused" ), error(placement_error(Text), _), true).

phases(Domain, Phases) :-
    findall(Dispatcher-Core-Granted,
            ( facts:allocation(Domain, Dispatcher, Core), facts:granted(Domain, Dispatcher, 0, Granted, _) ),
            Phases).

% -- asking

test(the_newest_dispatchers_are_asked_first, Asked == [2-2, 3-3]) :-
    anew(( domain(1, 4, [0, 1, 2, 3], none), negotiation:ask(1, count(2), answer(_, Asked)) )).
test(all_dispatchers_of_a_core_are_asked, Asked == [1-1, 3-1]) :-
    anew(( domain(1, 4, [0, 1], none), negotiation:ask(1, cores([1]), answer(_, Asked)) )).
test(a_domain_keeps_a_core, Text == "domain 1 is on 4 cores and has to keep one: it can give up 3, not 4") :-
    anew(( domain(1, 4, [0, 1, 2, 3], none), refused(negotiation:ask(1, count(4), _), Text) )).
test(all_its_cores_by_name, Text == "domain 1 has to keep a core; to give up 4-5 would leave it none") :-
    anew(( domain(1, 2, [4, 5], none), refused(negotiation:ask(1, cores([5, 4]), _), Text) )).
test(none_is_no_number, Text == "a domain is asked for 1 core at least, not 0") :-
    anew(( domain(1, 4, [0, 1, 2, 3], none), refused(negotiation:ask(1, count(0), _), Text) )).
test(a_core_it_is_not_on, Text == "domain 1 is not on core 9; it is on 0-3") :-
    anew(( domain(1, 4, [0, 1, 2, 3], none), refused(negotiation:ask(1, cores([9]), _), Text) )).
test(a_core_is_asked_for_once, Text == "domain 1 is being asked for core 3 already") :-
    anew(( domain(1, 4, [0, 1, 2, 3], none),
           negotiation:ask(1, count(1), _),
           refused(negotiation:ask(1, cores([3]), _), Text) )).
test(what_is_being_asked_for_is_not_kept, Text == "domain 1 has to keep a core; to give up 0,2-3 would leave it none") :-
    anew(( domain(1, 4, [0, 1, 2, 3], none),
           negotiation:ask(1, cores([1]), _),
           refused(negotiation:ask(1, cores([0, 2, 3]), _), Text) )).

% -- who may be asked

test(nobody_is_asked_who_has_not_said_so, fail) :-
    anew(( domain(1, 4, [0, 1, 2, 3], none), may_ask(1, _) )).
test(who_can_spare_cores_comes_first, Asked == [2-[5], 1-[3, 2]]) :-
    anew(( domain(1, 4, [0, 1, 2, 3], none),
           domain(2, 2, [4, 5], none),
           store:load_facts(user, [may_reclaim(1, 2)]),
           negotiation:offer(2, spare, 8, _),
           findall(Domain-Cores, may_ask(Domain, Cores), Asked) )).
test(an_offer_is_taken_back) :-
    anew(( domain(1, 4, [0, 1, 2, 3], none),
           negotiation:offer(1, spare, 2, _),
           negotiation:offer(1, want, 3, _),
           facts:wants_cores(1, 3),
           negotiation:offer(1, spare, 0, _),
           \+ may_ask(1, _) )).
test(what_was_spared_is_spared_no_more, Left == 1) :-
    anew(( domain(1, 4, [0, 1, 2, 3], none),
           negotiation:offer(1, spare, 2, _),
           negotiation:ask(1, count(1), _),
           negotiation:given_up(1, 3, _),
           facts:can_spare(1, Left) )).

% -- giving up

test(who_has_ended_is_placed_nowhere, Left == [0-0, 1-1, 2-2]) :-
    anew(( domain(1, 4, [0, 1, 2, 3], none),
           negotiation:ask(1, count(1), _),
           negotiation:given_up(1, 3, _),
           \+ facts:asked_back(1, _),
           findall(Dispatcher-Core, facts:allocation(1, Dispatcher, Core), Left) )).
test(its_number_is_not_given_again, Next == 4) :-
    anew(( domain(1, 4, [0, 1, 2, 3], none),
           negotiation:given_up(1, 3, _),
           placement:span(near, 1, [3], answer(_, assignment(Next, _, _))) )).
test(its_time_is_free_for_others, Text == "not refused") :-
    anew(( domain(1, 4, [0, 1, 2, 3], "G 80 100 80\n"),
           negotiation:given_up(1, 3, _),
           refused(domain(2, 1, [3], "H 80 100 80\n"), Text) )).

% -- virtualising

test(the_rest_of_the_team_shares_its_cores, Moves == [move(1, 3, 0, [best_effort(1)])]) :-
    anew(( domain(1, 4, [0, 1, 2, 3], none),
           negotiation:ask(1, cores([3]), _),
           negotiation:virtualise(1, [3], [3], answer(_, Moves, [])) )).
test(they_are_spread, To == [0, 1, 0]) :-
    anew(( domain(1, 5, [0, 1, 2, 3, 4], none),
           negotiation:ask(1, count(3), _),
           negotiation:virtualise(1, [2, 3, 4], [2, 3, 4], answer(_, Moves, _)),
           findall(Core, member(move(1, _, Core, _), Moves), To) )).
test(a_gang_that_shares_a_core_is_none,
     Phases == [0-0-best_effort(1), 1-1-best_effort(1), 2-2-best_effort(1), 3-0-best_effort(1)]) :-
    anew(( domain(1, 4, [0, 1, 2, 3], "G 20 80 20\n"),
           negotiation:ask(1, cores([3]), _),
           negotiation:virtualise(1, [3], [3], answer(_, [_], [_, _, _])),
           phases(1, Phases),
           \+ facts:timeslot(1, _, _, _, _) )).
test(it_is_one_again_when_the_member_that_was_late_has_ended,
     Phases == [0-0-gang(20000000, 80000000, 20000000, auto), 1-1-gang(20000000, 80000000, 20000000, auto)]) :-
    anew(( domain(1, 3, [0, 1, 2], "G 20 80 20\n"),
           negotiation:ask(1, cores([2]), _),
           negotiation:virtualise(1, [2], [2], _),
           negotiation:given_up(1, 2, _),
           negotiation:gangs_again(1, answer(_, [_, _])),
           \+ facts:unganged(1, _),
           phases(1, Phases) )).
test(nor_is_it_one_where_others_have_the_time_now,
     [cleanup(store:forget(placement)), Phases-Changes == [0-0-best_effort(1), 1-1-best_effort(1)]-[]]) :-
    once(( domain(1, 3, [0, 1, 2], "G 60 80 60\n"),
           negotiation:ask(1, cores([2]), _),
           negotiation:virtualise(1, [2], [2], _),
           domain(2, 1, [0], "H 60 80 60\n"),
           negotiation:given_up(1, 2, _),
           negotiation:gangs_again(1, answer(_, Changes)),
           phases(1, Phases) )).
test(real_time_goes_along_where_there_is_room, Phases == [0-0-hard(20000000, 80000000, 80000000, auto),
                                                          1-0-hard(20000000, 80000000, 80000000, auto)]) :-
    anew(( domain(1, 2, [0, 1], "H 20 80\n"),
           negotiation:ask(1, cores([1]), _),
           negotiation:virtualise(1, [1], [1], _),
           phases(1, Phases) )).
test(and_is_best_effort_where_there_is_none,
     [cleanup(store:forget(placement)), Phases == [0-0-hard(60000000, 80000000, 80000000, auto), 1-0-best_effort(1)]]) :-
    once(( domain(1, 2, [0, 1], "H 60 80\n"),
           negotiation:ask(1, cores([1]), _),
           negotiation:virtualise(1, [1], [1], _),
           phases(1, Phases) )).
test(what_was_given_up_in_time_is_not_virtualised, Moves-Changes == []-[]) :-
    anew(( domain(1, 2, [0, 1], none),
           negotiation:ask(1, cores([1]), _),
           negotiation:given_up(1, 1, _),
           negotiation:virtualise(1, [1], [1], answer(_, Moves, Changes)) )).
test(no_other_core_is_kept, Moves-Changes == []-[]) :-
    anew(( domain(1, 3, [0, 1, 2], none),
           negotiation:ask(1, cores([0, 1]), _),
           negotiation:given_up(1, 2, _),
           negotiation:virtualise(1, [0, 1], [0, 1], answer(_, Moves, Changes)) )).
test(who_came_meanwhile_stays, [Moves, Left] == [[], [0-0, 2-1]]) :-
    anew(( domain(1, 2, [0, 1], none),
           negotiation:ask(1, cores([1]), _),
           placement:span(near, 1, [1], _),
           negotiation:given_up(1, 1, _),
           negotiation:virtualise(1, [1], [], answer(_, Moves, [])),
           \+ facts:asked_back(1, _),
           findall(Dispatcher-Core, facts:allocation(1, Dispatcher, Core), Left) )).
test(who_is_virtualised_stays_so, Moves == []) :-
    anew(( domain(1, 2, [0, 1], none),
           negotiation:ask(1, cores([1]), _),
           negotiation:virtualise(1, [1], [1], _),
           replacing:replace(load_balance, answer(_, Moves)) )).

% -- for others

test(a_spawn_that_would_fit_asks_for_as_few_as_will_do, Asked == [1-[3]]) :-
    anew(( domain(1, 4, [0, 1, 2, 3], "G 80 100 80\n"),
           negotiation:offer(1, spare, 3, _),
           negotiation:room_by_asking(near, 1, [3], any, "H 50 100\n", 0, answer(_, Asked)) )).
test(nobody_is_asked_in_vain, Asked == []) :-
    anew(( domain(1, 4, [0, 1, 2, 3], "G 80 100 80\n"),
           negotiation:offer(1, spare, 3, _),
           negotiation:room_by_asking(near, 1, [0], any, "H 50 100\n", 0, answer(_, Asked)),
           \+ facts:asked_back(_, _) )).
test(of_a_core_that_goes_off_line_those_are_asked_who_can_spare_it, Domains-None == [1]-[]) :-
    anew(( domain(1, 4, [0, 1, 2, 3], none),
           domain(2, 4, any, none),
           negotiation:offer(1, spare, 1, _),
           negotiation:spared(2, Domains),
           negotiation:spared(0, None) )).

test(unless_another_has_to_stay_there, Text == "core 2 stays on line: domain 2 is pinned to it") :-
    anew(( domain(1, 4, [0, 1, 2, 3], none),
           domain(2, 1, [2], none),
           negotiation:offer(1, spare, 1, _),
           refused(negotiation:spared(2, _), Text) )).

:- end_tests(negotiation).
