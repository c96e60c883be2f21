:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(fixture).
:- use_module('../../rules/skb').
:- use_module('../../rules/latencies').
:- use_module('../../rules/layout').
:- use_module('../../rules/layout_exact').
:- use_module('../../rules/layout_bisection').
:- use_module('../../rules/layout_exchange').
:- use_module('../../rules/layout_repair').

%   Everything about layouts, on a few cores of the 4×4-core machine, beside all layouts there are.

posed(Edges, N, Cores, Problem) :-
    latencies(Cores, Latencies),
    slots_of(Latencies, Cores, 1, Distances, _, Allowed),
    problem(N, Edges, Distances, Allowed, Problem).

%   Traffic: who sends whom how much, out and back.

traffic(ring, 4, [edge(1, 2, 5, 5), edge(2, 3, 5, 5), edge(3, 4, 5, 5), edge(1, 4, 5, 5)]).
traffic(pairs, 4, [edge(1, 2, 9, 9), edge(3, 4, 7, 7)]).
traffic(one_way, 3, [edge(1, 2, 4, 0), edge(2, 3, 1, 0)]).
traffic(star, 4, [edge(1, 2, 3, 1), edge(1, 3, 2, 8), edge(1, 4, 6, 6)]).

cores(row, [0, 1, 2, 3, 4]).
cores(spread, [0, 1, 4, 8, 12]).
cores(two_packages, [0, 1, 12, 13]).

question(Edges, N, Cores) :-
    traffic(_, N, Edges),
    cores(_, Cores).

%   Every layout, by its cost, from the definition: twice the weight times the latency, as layout_total counts.

all_costs(Problem, N, Costs) :-
    arg(9, Problem, Allowed),
    findall(Cost,
            ( length(Slots, N), chosen(Slots, Allowed), Place =.. [place|Slots], layout_total(Problem, Place, Cost) ),
            Costs).

chosen([], _).
chosen([Slot|Slots], Allowed) :-
    select(Slot, Allowed, Left),
    chosen(Slots, Left).

a_layout(Problem, N, Place) :-
    arg(9, Problem, Allowed),
    Place =.. [place|Slots],
    length(Slots, N),
    sort(Slots, Distinct),
    length(Distinct, N),
    subset(Slots, Allowed).

:- begin_tests(layout, [setup(four_by_four), cleanup(no_machine)]).

test(a_latency_is_the_machine_s_in_picoseconds, true([A, B, C] == [179200, 218000, 223200])) :-
    latencies([0, 1, 4, 12], Latencies),
    latency_ps(Latencies, 0, 1, A),
    latency_ps(Latencies, 0, 4, B),
    latency_ps(Latencies, 0, 12, C).

test(each_core_has_so_many_slots, true([Each, Count] == [2, 4])) :-
    latencies([0, 5], Latencies),
    slots_of(Latencies, [0, 5], 2, _, Slots, Allowed),
    length(Allowed, Count),
    findall(Core, ( member(Slot, Allowed), arg(Slot, Slots, Core) ), Cores),
    aggregate_all(count, member(0, Cores), Each).

test(a_layout_costs_half_of_what_its_dispatchers_do, forall(question(Edges, N, Cores))) :-
    posed(Edges, N, Cores, Problem),
    in_order(Problem, Place),
    findall(Cost, ( between(1, N, I), cost_at(Problem, Place, I, Cost) ), Costs),
    sum_list(Costs, Sum),
    layout_total(Problem, Place, Total),
    Sum =:= 2 * Total.

test(to_stay_costs_what_it_costs_now, forall(( question(Edges, N, Cores), between(1, N, I) ))) :-
    posed(Edges, N, Cores, Problem),
    in_order(Problem, Place),
    arg(I, Place, Slot),
    cost_at(Problem, Place, I, Cost),
    cost_on(Problem, Place, I, Slot, Cost),
    partial_cost(Problem, Place, I, Slot, Cost).

test(edges_to_those_without_a_slot_cost_nothing, true(Cost == 0)) :-
    posed([edge(1, 2, 5, 5)], 2, [0, 1, 4], Problem),
    partial_cost(Problem, place(0, 0), 1, 1, Cost).

test(every_construction_gives_each_a_slot_of_its_own, forall(question(Edges, N, Cores))) :-
    posed(Edges, N, Cores, Problem),
    compact(Problem, [Seed|_]),
    chain(Problem, Seed, min, Chain),
    pairs_keys(Chain, Slots),
    length(Slots, N),
    in_order(Problem, InOrder),
    by_slot(Problem, Slots, BySlot),
    by_dispatcher(Problem, Seed, ByDispatcher),
    bisected(Problem, Chain, 2, Bisected),
    forall(member(Place, [InOrder, BySlot, ByDispatcher, Bisected]), a_layout(Problem, N, Place)).

test(only_allowed_slots_are_free, true(Free == [0, 0, -1])) :-
    latencies([0, 1, 4], Latencies),
    slots_of(Latencies, [0, 1, 4], 1, Distances, _, [One, Two|_]),
    problem(2, [edge(1, 2, 1, 1)], Distances, [One, Two], Problem),
    free_slots(Problem, Slots),
    findall(State, ( member(Slot, [One, Two, 3]), arg(Slot, Slots, State) ), Free).

test(what_is_proved_exact_is_the_least_of_all, forall(question(Edges, N, Cores))) :-
    posed(Edges, N, Cores, Problem),
    all_costs(Problem, N, Costs),
    min_list(Costs, Least),
    in_order(Problem, Start),
    layout_total(Problem, Start, StartCost),
    exact(Problem, StartCost-Start, 1000000, Cost-Place),
    Cost =:= Least,
    layout_total(Problem, Place, Least),
    a_layout(Problem, N, Place).

test(no_layout_costs_less_than_the_bound, forall(question(Edges, N, Cores))) :-
    posed(Edges, N, Cores, Problem),
    all_costs(Problem, N, Costs),
    min_list(Costs, Least),
    lower_bound(Problem, Bound),
    Bound =< Least.

test(too_few_steps_prove_nothing, fail) :-
    posed([edge(1, 2, 5, 5), edge(2, 3, 5, 5), edge(3, 4, 1, 1)], 4, [0, 1, 4, 8, 12], Problem),
    in_order(Problem, Start),
    layout_total(Problem, Start, Cost),
    exact(Problem, Cost-Start, 1, _).

test(repair_never_makes_it_worse, forall(( question(Edges, N, Cores), member(Heat, [2, 32]), member(Seed, [1, 2, 3]) ))) :-
    posed(Edges, N, Cores, Problem),
    in_order(Problem, Start),
    layout_total(Problem, Start, Before),
    repaired(Problem, Before-Start, Heat, 2000, Seed, After-Place),
    After =< Before,
    layout_total(Problem, Place, After),
    a_layout(Problem, N, Place).

test(after_exchanges_no_other_helps, forall(question(Edges, N, Cores))) :-
    posed(Edges, N, Cores, Problem),
    in_order(Problem, Start),
    layout_total(Problem, Start, Before),
    exchanged(Problem, Before-Start, 100000, Left, After-Place),
    Left > 0,
    After =< Before,
    layout_total(Problem, Place, After),
    a_layout(Problem, N, Place),
    forall(( between(1, N, I), between(1, N, J), I < J ),
           ( other_way_round(I, J, Place, Other), layout_total(Problem, Other, Cost), Cost >= After )).

test(shaking_makes_nothing_dearer, forall(question(Edges, N, Cores))) :-
    posed(Edges, N, Cores, Problem),
    in_order(Problem, Start),
    layout_total(Problem, Start, Before),
    exchanged(Problem, Before-Start, 100000, _, Exchanged-_),
    shaken(Problem, Before-Start, 20000, After-Place),
    After =< Exchanged,
    layout_total(Problem, Place, After),
    a_layout(Problem, N, Place).

test(without_steps_nothing_is_exchanged) :-
    posed([edge(1, 2, 5, 5)], 2, [0, 1, 4], Problem),
    in_order(Problem, Start),
    layout_total(Problem, Start, Cost),
    exchanged(Problem, Cost-Start, 0, _, Cost-Start).

test(a_row_is_cut_across_and_not_along, true(Ends == [])) :-
    findall(Core, between(0, 15, Core), Cores),
    findall(edge(I, K, 1, 1),
            ( between(1, 16, I), ( I mod 8 =\= 0, K is I + 1 ; I =< 8, K is I + 8 ) ),
            Edges),
    posed(Edges, 16, Cores, Problem),
    compact(Problem, [Seed|_]),
    chain(Problem, Seed, min, Chain),
    bisected(Problem, Chain, 2, Place),
    findall(I, ( between(1, 8, I), K is I + 8, arg(I, Place, A), arg(K, Place, B), (A - 1) // 4 =\= (B - 1) // 4 ), Ends).

test(of_few_dispatchers_the_best_is_found, forall(( question(Edges, N, Cores), member(Effort, [small, large]) ))) :-
    posed(Edges, N, Cores, Problem),
    all_costs(Problem, N, Costs),
    min_list(Costs, Least),
    least_found(Problem, Effort, 40000, Cost-Place),
    Cost =:= Least,
    layout_total(Problem, Place, Least).

test(equal_questions_end_alike) :-
    posed([edge(1, 2, 5, 1), edge(2, 3, 5, 2), edge(3, 4, 1, 1)], 4, [0, 1, 4, 8, 12], Problem),
    findall(Best, ( member(_, [1, 2]), least_found(Problem, large, 20000, Best) ), [A, B]),
    A == B.

other_way_round(I, J, Place, Other) :-
    duplicate_term(Place, Other),
    arg(I, Place, A),
    arg(J, Place, B),
    nb_setarg(I, Other, B),
    nb_setarg(J, Other, A).

:- end_tests(layout).
