:- encoding(utf8).
:- module(granting,
          [ make_room/4,                % +Domain, +Policy, +Cores, +Reduce
            core_has_room/3,            % +Core, +Phases, +Basis
            forget_slots/2,             % +Domain, +Phase
            running_changes/2           % :Goal, -Changes
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(store).
:- use_module(costs).
:- use_module(manifest).
:- use_module(admission).
:- use_module(policy).
:- use_module(requests).
:- use_module(combinations).
:- use_module(packing).
:- use_module(component_packing).
:- use_module(schedules).
:- use_module(refusal).

/** <module> Time for hard real time on the chosen cores, or less of it for all, or a refusal

A request is granted if every combination of phases of its component has a schedule that over-commits no core
(component_packing.pl). Where there is no packing and the policy says `shortage(reduce)`, all hard real-time
allocations of the machine shrink by one factor: the largest that was found to have a packing.
*/

%!  core_has_room(+Core, +Phases:list, +Basis) is semidet.
%
%   Core has room for dispatchers of the domain being placed, of whose parameters Phases tells by phase: whenever
%   their releases come,
%   or at some offset (of each by itself) beside what others were granted or have asked for (Basis).

core_has_room(Core, Phases, Basis) :-
    ( Basis == asked -> Demand = asked(1) ; Demand = granted ),
    core_problem(Core, Phases, Demand, Problem),
    rates_fit(Problem),
    findall(Domain, facts:allocation(Domain, _, Core), Domains0),
    sort(Domains0, Domains),
    hints(Domains, Hints),
    pack_quickly(Problem, Hints).

%!  make_room(+Domain, +Policy, +Cores, +Reduce) is det.
%
%   Domain, whose dispatchers are stated on Cores with what they ask for, has its offsets, and what all are granted
%   is stated. If
%   Reduce is `no`, the request is refused rather than anything reduced, whatever the Policy says.
%
%   @error placement_error(Text)

make_room(Domain, Policy, Cores, Reduce) :-
    (   policy_shortage(Policy, reduce)
    ->  components(Components0),
        maplist(last_of(Domain), Components0, Components),
        (   Reduce == no
        ->  maplist(whole_packing, Components, Packings),
            Factor = 1
        ;   maplist(largest_packing, Components, Factors, Packings),
            min_list([1|Factors], Factor)
        ),
        maplist(state_packing, Components, Packings),
        reduce_all(Factor)
    ;   \+ has_hard(Domain)
    ->  true
    ;   component(Domain, Domains0),
        last_of(Domain, Domains0, Domains),
        find_packing(Domains, granted, Packing, Failure),
        (   Packing == none
        ->  refuse_packing(Cores, Failure)
        ;   state_packing(Domains, Packing)
        )
    ).

%   last_of(+Domain, +Domains0, -Domains): whose offsets change sooner than those of others comes last.

last_of(Domain, Domains0, Domains) :-
    (   selectchk(Domain, Domains0, Others)
    ->  append(Others, [Domain], Domains)
    ;   Domains = Domains0
    ).

whole_packing(Domains, Packing) :-
    find_packing(Domains, asked(1), Packing, _),
    (   Packing == none
    ->  refuse("there is not enough time for what all ask for", [])
    ;   true
    ).

has_hard(Domain) :-
    facts:granted(Domain, _, _, Parameters, _),
    phase_tasks(Parameters, [_]),
    !.

%   state_packing(+Domains, +Packing): what was found is stated where it is new.

state_packing(Domains, static(Offsets, How)) :-
    forall(( facts:combination_slots(Combination, _, _), concerns(Combination, Domains) ),
           withdraw(placement, combination_slots(Combination, _, _))),
    findall(timeslot(Domain, Phase, Who, Offset, Found),
            ( member(u(Domain, Phase, Who)-Offset, Offsets),
              (   facts:timeslot(Domain, Phase, Who, Offset, Found0)
              ->  Found = Found0
              ;   How == kept
              ->  Found = greedy
              ;   Found = How
              )
            ),
            Facts),
    findall(Domain, ( member(Domain, Domains), facts:timeslot(Domain, _, _, _, _) ), Known0),
    sort(Known0, Known),
    findall(Fact, ( member(Domain, Known), Fact = timeslot(Domain, _, _, _, _), call(facts:Fact) ), Before0),
    sort(Before0, Before),
    sort(Facts, After),
    (   Before == After
    ->  true
    ;   forall(member(Domain, Known), withdraw(placement, timeslot(Domain, _, _, _, _))),
        load_facts(placement, After)
    ).
state_packing(Domains, separate(Schedules)) :-
    forall(member(Domain, Domains), withdraw(placement, timeslot(Domain, _, _, _, _))),
    forall(( facts:combination_slots(Combination, _, _), concerns(Combination, Domains) ),
           withdraw(placement, combination_slots(Combination, _, _))),
    findall(combination_slots(Combination, Offsets, Found),
            ( member(Combination-packed(Offsets, How), Schedules),
              ( How == kept -> Found = greedy ; Found = How )
            ),
            Facts),
    load_facts(placement, Facts).

concerns(Combination, Domains) :-
    member(Domain-_, Combination),
    memberchk(Domain, Domains),
    !.

%!  forget_slots(+Domain, +Phase) is det.
%
%   Domain, which was in Phase, is placed nowhere any more and has no offsets. Where combinations have schedules of
%   their own,
%   those with Domain in Phase, and with others as they are now that no longer share a core, stand for what is left.

forget_slots(Domain, Phase) :-
    withdraw(placement, timeslot(Domain, _, _, _, _)),
    findall(Combination-packed(Offsets, Found),
            ( facts:combination_slots(Combination, Offsets, Found), memberchk(Domain-_, Combination) ),
            Schedules),
    forall(member(Combination-_, Schedules), withdraw(placement, combination_slots(Combination, _, _))),
    (   Schedules = [Some-_|_]
    ->  pairs_keys(Some, Domains),
        selectchk(Domain, Domains, Others),
        current_combination(Others, Now),
        findall(combination_slots(Part, Left, Found),
                ( member(Other, Others),
                  component(Other, Members),
                  Members = [Other|_],
                  next_combinations(Members, Parts),
                  member(Part, Parts),
                  foldl(in_phase_of, Part, Now, Whole0),
                  sort([Domain-Phase|Whole0], Whole),
                  memberchk(Whole-packed(Offsets, Found), Schedules),
                  include(of_any(Members), Offsets, Left)
                ),
                Facts),
        load_facts(placement, Facts)
    ;   true
    ).

in_phase_of(Domain-Phase, Combination0, [Domain-Phase|Combination]) :-
    selectchk(Domain-_, Combination0, Combination).

of_any(Domains, u(Domain, _, _)-_) :-
    memberchk(Domain, Domains).

%   reduce_all(+Factor): all hard real-time allocations are granted Factor of what they ask for.

reduce_all(Factor) :-
    findall(granted(Domain, Dispatcher, Phase, Reduced, Asked),
            ( facts:granted(Domain, Dispatcher, Phase, Granted, Asked),
              reduced(Asked, Factor, Reduced),
              Reduced \== Granted
            ),
            Changed0),
    sort(Changed0, Changed),
    must_be_worthwhile(Changed),
    forall(member(granted(Domain, Dispatcher, Phase, _, _), Changed),
           withdraw(placement, granted(Domain, Dispatcher, Phase, _, _))),
    load_facts(placement, Changed).

reduced(hard(Wcet0, Period, Deadline, Release), Factor, hard(Wcet, Period, Deadline, Release)) :-
    Wcet is floor(Factor * Wcet0).
reduced(gang(Wcet0, Period, Deadline, Release), Factor, gang(Wcet, Period, Deadline, Release)) :-
    Wcet is floor(Factor * Wcet0).

%   A timeslice that a context switch eats up is worth nothing.

must_be_worthwhile(Changed) :-
    once(cost_of(context_switch, Value, Unit, _)),
    (   nanoseconds_per(Unit, Scale)
    ->  Least is Value * Scale
    ;   Least = 0                       % stated in cycles: less than a microsecond
    ),
    (   member(granted(Domain, Dispatcher, Phase, Reduced, Asked), Changed),
        phase_tasks(Reduced, [task(Wcet, _, _)]),
        Wcet =< Least
    ->  phase_tasks(Asked, [task(Wanted, _, _)]),
        ms_text(Wanted, WantedText),
        ms_text(Wcet, WcetText),
        refuse("to make room, dispatcher ~w of domain ~w would have to go from ~s to ~s a period in phase ~w, less than a context switch takes",
               [Dispatcher, Domain, WantedText, WcetText, Phase])
    ;   true
    ).

%!  running_changes(:Goal, -Changes:list) is det.
%
%   Once Goal is done Changes are changed(Domain, Dispatcher, Core, Phases), those with hard real time before or
%   after it whose
%   parameters or offsets are others now.

:- meta_predicate running_changes(0, -).

running_changes(Goal, Changes) :-
    hard_phases(Before),
    once(Goal),
    hard_phases(After),
    findall(Domain-Dispatcher,
            ( member(Some, [Before, After]), member(running(Domain, Dispatcher, _, _), Some) ),
            Concerned0),
    sort(Concerned0, Concerned),
    findall(changed(Domain, Dispatcher, Core, Phases),
            ( member(Domain-Dispatcher, Concerned),
              facts:allocation(Domain, Dispatcher, Core),
              phases_with_offsets(Domain, Dispatcher, Phases),
              \+ memberchk(running(Domain, Dispatcher, Core, Phases), Before)
            ),
            Changes).

%   hard_phases(-Granted): what running dispatchers with hard real time have: running(Domain, Dispatcher, Core,
%   Phases), Phases with offsets.

hard_phases(Granted) :-
    findall(Domain-Dispatcher,
            ( facts:granted(Domain, Dispatcher, _, Parameters, _), phase_tasks(Parameters, [_]) ),
            Pairs0),
    sort(Pairs0, Pairs),
    findall(running(Domain, Dispatcher, Core, Phases),
            ( member(Domain-Dispatcher, Pairs),
              facts:allocation(Domain, Dispatcher, Core),
              phases_with_offsets(Domain, Dispatcher, Phases)
            ),
            Granted).

%   refuse_packing(+Cores, +Failure): why, in figures.

refuse_packing(_, combinations(Count)) :-
    most_combinations(Most),
    refuse("no offsets hold in all ~D combinations of phases, and schedules of their own are derived for ~D at most",
           [Count, Most]).
refuse_packing(Cores, rate) :-
    member(Core, Cores),
    core_demands(Core, granted, Demands),
    shortfall(Demands, rate(Rate, Capacity)),
    !,
    shortfall_text(Core, Demands, rate(Rate, Capacity), Text),
    refuse("~s", [Text]).
refuse_packing(Cores, unpacked(Combination, _)) :-
    member(Core, Cores),
    core_demands(Core, granted, Demands),
    shortfall(Demands, Shortfall),
    pairs_keys(Combination, Domains),
    problem(Domains, all, granted, problem([], _)),
    !,
    shortfall_text(Core, Demands, Shortfall, Text),
    refuse("~s", [Text]).
refuse_packing(_, unpacked(Combination, Verdict)) :-
    unpacked_text(Combination, Verdict, Text),
    refuse("~s", [Text]).
