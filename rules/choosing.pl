:- encoding(utf8).
:- module(choosing,
          [ choose/4,                   % +Cores, +Requests, +Policy, -Choices
            choose/6,                   % +Cores, +Requests, +Policy, +Room, -Choices, -Decided
            with_gangs_elsewhere/2,     % +Places, :Goal
            last_warning/1              % -Text
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(topology).
:- use_module(admission).
:- use_module(load).
:- use_module(policy).
:- use_module(requests).
:- use_module(eligibility).
:- use_module(granting).
:- use_module(gang_slots).
:- use_module(refusal).

/** <module> Choosing cores for the dispatchers of a domain

Each dispatcher in turn, those that ask for most real time first, takes the core that the policy ranks first
of those that have room for it; the members of a gang take distinct ones. What the dispatchers of the
domain have taken so far counts. To be called within a transaction, which undoes all notes made here when
a request is refused.
*/

:- dynamic
       decides/1,                       % Policy
       room_is/1,                       % slots or always
       group_core/2,                    % Group, Core: a dispatcher of the group is there
       room/3,                          % Class, Core, yes or no: until the core gets another dispatcher
       taken/2.                         % Core, Phases: of a dispatcher of the domain being placed

%!  choose(+Cores, +Requests, +Policy, -Choices) is det.
%
%   Choices is a list, by dispatcher, of choice(Dispatcher, Core, Policy, Cost, Alternatives, Forbidden)
%   for Requests (requests.pl): on the I-th of Cores, or where the Policy has it if Cores is `any`.

choose(Cores, Requests, Policy, Choices) :-
    choose(Cores, Requests, Policy, slots, Choices, _).

%!  choose(+Cores, +Requests, +Policy, +Room, -Choices, -Decided) is det.
%
%   As choose/4. If Room is `slots`, a core has room where there are offsets for each dispatcher by itself, which
%   those of a gang may yet not have in common; if it is `always`, where there is room whenever releases come.
%   Decided is the policy
%   that has decided: where Policy did not come to a decision, the default one, and last_warning/1 tells what it did.

choose(Cores, Requests, Policy, Room, Choices, Decided) :-
    candidate_cores(Cores, Candidates),
    nb_setval(policy_warning, ""),
    catch(( decide(Cores, Candidates, Requests, Policy, Room, Choices), Decided = Policy ),
          error(bad_policy(Text), _),
          ( taken_over(Policy, Text, Decided),
            decide(Cores, Candidates, Requests, Decided, Room, Choices) )).

decide(Cores, Candidates, Requests, Policy, Room, Choices) :-
    start_decision,
    assertz(room_is(Room)),
    assertz(decides(Policy)),
    begin_asking(Requests),
    chosen(Cores, Candidates, Requests, Policy, Choices),
    policy_shortage(Policy, _),         % or it is a bad one
    end_decision.

taken_over(Policy, Text, Default) :-
    default_policy(Default),
    (   Policy == Default
    ->  throw(error(policy_error(Text), _))
    ;   format(string(Warning), "~s; ~w has decided", [Text, Default]),
        nb_setval(policy_warning, Warning)
    ).

%!  last_warning(-Text) is det.
%
%   What the policy of the last decision did instead of deciding, and who has decided; "" if it did decide.

%   What is supposed only, and undone, leaves its warning behind: it is no fact.

last_warning(Text) :-
    nb_getval(policy_warning, Text).

:- initialization(nb_setval(policy_warning, "")).

candidate_cores(any, Cores) :-
    !,
    eligible_cores(Cores).
candidate_cores(Cores, Cores) :-
    (   Cores == []
    ->  refuse("an empty list of cores", [])
    ;   member(Core, Cores),
        \+ core(Core)
    ->  findall(Known, core(Known), All),
        ranges_text(All, AllText),
        refuse("no core ~w; cores are ~w", [Core, AllText])
    ;   must_be_eligible(Cores)
    ).

chosen(any, Candidates, Requests, Policy, Choices) :-
    !,
    gangs_have_cores(Requests, Candidates),
    (   policy_places(Policy)
    ->  policy_placement(Policy, Requests, Candidates, Choices)
    ;   hardest_first(Requests, Ordered),
        maplist(request_class, Ordered, Classes),
        pairs_keys_values(Classed, Classes, Ordered),
        greedy(Classed, Candidates, Policy, Choices0),
        sort(Choices0, Choices)
    ),
    catch(gangs_are_apart(Requests, Choices), error(placement_error(Text), _), not_apart(Policy, Text)).
chosen(Cores, _, Requests, _, Choices) :-
    length(Cores, Count),
    length(Requests, Dispatchers),
    (   Dispatchers > Count,
        member(Request, Requests),
        real_time(Request)
    ->  refuse("~w dispatchers with real-time phases need as many cores, not ~w", [Dispatchers, Count])
    ;   given_cores(Requests, Cores, Cores, Choices)
    ),
    gangs_are_apart(Requests, Choices).

not_apart(Policy, Text0) :-
    format(string(Text), "policy ~w: ~s", [Policy, Text0]),
    throw(error(bad_policy(Text), _)).

given_cores([], _, _, []).
given_cores([Request|Requests], [], Cores, Choices) :-
    given_cores([Request|Requests], Cores, Cores, Choices).
given_cores([request(Dispatcher, _, Phases)|Requests], [Core|Rest], Cores,
            [choice(Dispatcher, Core, given, 0.0, [], forbidden(0, 0, 0))|Choices]) :-
    note_choice(Dispatcher, Core, Phases),
    given_cores(Requests, Rest, Cores, Choices).

gangs_have_cores(Requests, Candidates) :-
    length(Candidates, Count),
    (   findall(Group, ( member(Request, Requests), ganged(Request), Request = request(_, Group, _) ), Groups0),
        msort(Groups0, Groups),
        clumped_groups(Groups, Clumps),
        member(Group-Members, Clumps),
        Members > Count
    ->  refuse("the gang ~w has ~w members, and the machine ~w cores; members of a gang need distinct cores",
               [Group, Members, Count])
    ;   true
    ).

clumped_groups(Groups, Clumps) :-
    findall(Group-1, member(Group, Groups), Pairs),
    group_pairs_by_key(Pairs, Grouped),
    findall(Group-Count, ( member(Group-Ones, Grouped), length(Ones, Count) ), Clumps).

gangs_are_apart(Requests, Choices) :-
    findall(gang(Group, Core)-Dispatcher,
            ( member(Request, Requests),
              ganged(Request),
              Request = request(Dispatcher, Group, _),
              memberchk(choice(Dispatcher, Core, _, _, _, _), Choices)
            ),
            Members0),
    keysort(Members0, Members),
    (   append(_, [gang(Group, Core)-A, gang(Group, Core)-B|_], Members)
    ->  refuse("dispatchers ~w and ~w of the gang ~w are both on core ~w; members of a gang need distinct cores",
               [A, B, Group, Core])
    ;   true
    ).

%   Those that ask for most real time choose first, while there is most room.

hardest_first(Requests, Ordered) :-
    findall(Less-Request,
            ( member(Request, Requests),
              Request = request(_, _, Phases),
              request_utilisation(Phases, Utilisation),
              Less is -Utilisation
            ),
            Keyed0),
    sort(Keyed0, Keyed),                % and by dispatcher among equals
    pairs_values(Keyed, Ordered).

request_utilisation(Phases, Utilisation) :-
    maplist(phase_tasks, Phases, Tasks),
    demand_utilisation(demand(new, Tasks), Utilisation, _).

%   request_class(+Request, -Class): what matters of a request for whether it fits; `easy` always does.

request_class(Request, Class) :-
    (   hard(Request)
    ->  Request = request(_, _, Phases),
        Class = hard(Phases)
    ;   Class = easy
    ).

%   greedy(+Classed, +Candidates, +Policy, -Choices): each dispatcher in turn takes the cheapest core.

greedy([], _, _, []).
greedy([Class-Request|Classed], Candidates, Policy,
       [choice(Dispatcher, Core, Policy, Cost, Alternatives, Forbidden)|Choices]) :-
    Request = request(Dispatcher, Group, Phases),
    apart(Request, Candidates, Apart),
    with_room(Class, Apart, Roomy0),
    (   Roomy0 == [],
        policy_shortage(Policy, reduce)
    ->  Roomy = Apart
    ;   Roomy = Roomy0
    ),
    ranking(Policy, Dispatcher, Roomy, Ranking),
    (   Ranking = [Cost-Core|Others]
    ->  true
    ;   nowhere(Policy, Request, Class, Candidates, Apart, Roomy)
    ),
    best_others(Others, Alternatives),
    forbidden_counts(Candidates, Apart, Roomy, Ranking, Forbidden),
    note_choice(Dispatcher, Core, Phases),
    note_group(Group, Core),
    greedy(Classed, Candidates, Policy, Choices).

best_others(Others, Alternatives) :-
    (   Others = [CostA-A, CostB-B, CostC-C|_]
    ->  Alternatives = [A-CostA, B-CostB, C-CostC]
    ;   findall(Core-Cost, member(Cost-Core, Others), Alternatives)
    ).

forbidden_counts(Candidates, Apart, Roomy, Ranking, forbidden(ByPolicy, NoRoom, SameGang)) :-
    maplist(length, [Candidates, Apart, Roomy, Ranking], [All, Distinct, Free, Ranked]),
    ByPolicy is Free - Ranked,
    NoRoom is Distinct - Free,
    SameGang is All - Distinct.

taken_by(Group, Core) :-
    (   group_core(Group, Core)
    ;   elsewhere(Group, Core)
    ),
    !.

%!  with_gangs_elsewhere(+Places:list, :Goal) is semidet.
%
%   As once(Goal), which chooses cores for some members of gangs that have others on cores already: Places has a
%   Group-Core for each of those.

:- meta_predicate with_gangs_elsewhere(+, 0).
:- dynamic elsewhere/2.                 % Group, Core

with_gangs_elsewhere(Places, Goal) :-
    setup_call_cleanup(
        forall(member(Group-Core, Places), assertz(elsewhere(Group, Core))),
        once(Goal),
        retractall(elsewhere(_, _))).

apart(Request, Candidates, Apart) :-
    (   ganged(Request)
    ->  Request = request(_, Group, _),
        exclude(taken_by(Group), Candidates, Apart)
    ;   Apart = Candidates
    ).

with_room(easy, Cores, Cores) :- !.
with_room(Class, Cores, Roomy) :-
    include(has_room(Class), Cores, Roomy).

has_room(Class, Core) :-
    (   room(Class, Core, Known)
    ->  Known == yes
    ;   Class = hard(Phases),
        demands_with(Core, Phases, Demands),
        (   fits(Demands)
        ->  Room = yes
        ;   room_is(slots),
            findall(Others, taken(Core, Others), Taken),
            shortage_basis(Basis),
            core_has_room(Core, [Phases|Taken], Basis)
        ->  Room = yes
        ;   Room = no
        ),
        assertz(room(Class, Core, Room)),
        Room == yes
    ).

%   demands_with(+Core, +Phases, -Demands): the demands of Core if a dispatcher with these parameters is added
%   to those that the domain being placed has there.

demands_with(Core, Own, [demand(new, Together)|Demands]) :-
    maplist(phase_tasks, Own, Tasks),
    shortage_basis(Basis),
    core_demands(Core, Basis, Demands),
    findall(Phases, taken(Core, Phases), Taken),
    foldl(merge_phases, Taken, Tasks, Together).

merge_phases(Phases, Tasks0, Tasks) :-
    maplist(phase_tasks, Phases, Own),
    maplist(append, Own, Tasks0, Tasks).

shortage_basis(Basis) :-
    decides(Policy),
    (   policy_shortage(Policy, reduce)
    ->  Basis = asked
    ;   Basis = granted
    ).

start_decision :-
    end_decision,
    begin_loads.

end_decision :-
    retractall(room_is(_)),
    retractall(decides(_)),
    retractall(group_core(_, _)),
    retractall(room(_, _, _)),
    retractall(taken(_, _)),
    end_asking,
    end_loads.

note_choice(Dispatcher, Core, Phases) :-
    assertz(taken(Core, Phases)),
    retractall(room(_, Core, _)),
    load_added(Dispatcher, Core, Phases).

note_group(Group, Core) :-
    assertz(group_core(Group, Core)).

%   The policy takes the whole decision; its word is checked.

policy_placement(Policy, Requests, Candidates, Choices) :-
    maplist(request_dispatcher, Requests, Dispatchers),
    policy_place(Policy, Dispatchers, Candidates, Cores),
    maplist(placed_by(Policy), Requests, Cores, Choices).

request_dispatcher(request(Dispatcher, _, _), Dispatcher).

placed_by(Policy, request(Dispatcher, _, Phases), Core,
          choice(Dispatcher, Core, Policy, Cost, [], forbidden(0, 0, 0))) :-
    (   ranking(Policy, Dispatcher, [Core], [Known-Core])
    ->  Cost = Known
    ;   Cost = 0.0
    ),
    note_choice(Dispatcher, Core, Phases).

nowhere(Policy, request(Dispatcher, Group, _), Class, Candidates, Apart, Roomy) :-
    (   Roomy = [_|_]
    ->  (   ranking(Policy, Dispatcher, Candidates, [])
        ->  (   policy_refusal(Policy, Dispatcher, Why)
            ->  refuse("policy ~w: ~s", [Policy, Why])
            ;   format(string(Text), "policy ~w: cost/3 forbids every core to dispatcher ~w", [Policy, Dispatcher]),
                throw(error(bad_policy(Text), _))
            )
        ;   refuse("policy ~w forbids to dispatcher ~w every core that has room for it", [Policy, Dispatcher])
        )
    ;   Apart == []
    ->  length(Candidates, Count),
        refuse("the gang ~w has more members than the machine's ~w cores", [Group, Count])
    ;   Class = hard(Phases),
        roomiest(Apart, Core),
        demands_with(Core, Phases, Demands),
        shortfall(Demands, Shortfall),
        shortfall_text(Core, Demands, Shortfall, Text),
        refuse("no core has room for dispatcher ~w: ~s", [Dispatcher, Text])
    ).

roomiest(Cores, Core) :-
    findall(Utilisation-Each,
            ( member(Each, Cores),
              shortage_basis(Basis),
              core_demands(Each, Basis, Demands),
              demands_utilisation(Demands, Exact),
              Utilisation is float(Exact)
            ),
            Pairs),
    sort(Pairs, [_-Core|_]).
