:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(fixture).
:- use_module('../../rules/store').
:- use_module('../../rules/proof').
:- use_module('../../rules/bridge', []).
:- use_module('../../rules/skb').

:- dynamic mine:first/1, mine:pick/1, mine:deep/2, mine:none_near/1, mine:sure/1, mine:each/2.

mine:first(X) :- member(X, [3, 1, 2]), X < 3, !.
mine:first(9).
mine:pick(X) :- ( member(X, [1, 2]), X > 1 -> true ; X = 0 ).
mine:pick(X) :- ( fail *-> X = 1 ; member(X, [5, 6]) ).
mine:deep(A, N) :- findall(B, skb:shares_cache(A, B, 3), Bs), length(Bs, N).
mine:none_near(A) :- \+ skb:hops(A, 15, 0), once(skb:core(A)), call(skb:package_of, A, _).
mine:each(Xs, N) :- maplist(mine:pick, Xs), foldl([X, A, B]>>(B is A + X), Xs, 0, N).
mine:sure(X) :- forall(member(Y, [1, 2]), Y > 0), aggregate_all(max(C), skb:distance(0, _, C), X).

:- begin_tests(proof, [setup(four_by_four), cleanup(no_machine)]).

%   What is proved is what is called: as many answers, the same, in the same order.

question(skb:core(_)).
question(skb:distance(0, _, _)).
question(skb:distance(_, 3, _)).
question(skb:shares_cache(5, _, _)).
question(skb:hops(_, 9, 2)).
question(skb:nearest_cores(0, 3, _)).
question(skb:interrupt_plan(_)).
question(mine:each([_, _], _)).
question(skb:closest_memory(_, _)).
question(skb:cost_of(ump_hop, _, _, _)).
question(skb:route(0, 15, _)).
question(skb:equal_cores(_)).
question(skb:load(_, _)).
question(skb:least_loaded([3, 2], _)).
question(skb:multicast_tree(0, [1, 5], _)).
question(skb:node_of(_, 2)).
question(skb:core_latency(0, 1, _, _)).
question(skb:core(99)).
question(mine:first(_)).
question(mine:pick(_)).
question(mine:deep(_, _)).
question(mine:none_near(3)).
question(mine:none_near(13)).
question(mine:sure(_)).

test(proving_is_calling, [forall(question(Module:Goal)), true(Proved =@= Called)]) :-
    findall(Goal, Module:Goal, Called),
    findall(Goal, proof(Module:Goal, _), Proved).

%   Every leaf is a fact that is held, by the source that is named.

leaf(node(fact, Fact, Source, []), Fact, Source).
leaf(node(_, _, _, Proofs), Fact, Source) :-
    member(Proof, Proofs),
    leaf(Proof, Fact, Source).

test(facts_in_proofs_are_facts, [forall(question(Module:Goal)), true(Wrong == [])]) :-
    findall(Fact,
            ( proof(Module:Goal, Proof),
              leaf(Proof, Fact, Source),
              Source \== default,
              \+ fact_source(Fact, Source)
            ),
            Wrong).
test(a_measurement_is_what_a_distance_rests_on,
     Proof == node(rule, distance(0, 12, 558), '', [node(fact, core_latency(0, 12, 558, cycles), measured, [])])) :-
    once(proof(skb:distance(0, 12, _), Proof)).
test(a_default_names_its_source, true(sub_string(Source, _, _, _, "table 2.5"))) :-
    once(proof(skb:cost_of(ump_hop, _, _, _), node(rule, _, _, [node(fact, cost(_, _, _, Source), default, [])]))).
test(a_user_s_rule_has_its_line, true(sub_atom(Place, _, _, _, 'proof.plt:'))) :-
    once(proof(mine:first(_), node(rule, first(1), Place, _))).
test(what_is_not_there_is_told, true(memberchk(node(none, _, _, []), Proofs))) :-
    once(proof(mine:none_near(3), node(rule, _, _, Proofs))), !.
test(nothing_unsafe_is_proved, error(permission_error(_, _, _))) :-
    proof(skb:shell(true), _).

:- end_tests(proof).
