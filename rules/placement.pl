:- encoding(utf8).
:- module(placement,
          [ place/5,                    % +Domain, +Dispatchers, +Cores, +Manifest, -Placement
            request/7,                  % +Policy, +Domain, +Dispatchers, +Cores, +Text, +Coordinator, -Answer
            request/8,                  % +Policy, +Domain, +Dispatchers, +Cores, +Image, +Text, +Coordinator, -Answer
            suppose/8,                  % +Policy, +Domain, +Dispatchers, +Cores, +Image, +Text, +Coordinator, -Answer
            span/4,                     % +Policy, +Domain, +Cores, -Answer
            release/1,                  % +Domain
            change_phase/2,             % +Domain, +Phase
            explain/2,                  % +Domain, -Reasons
            trial/2                     % +Policy, -Trials
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(aggregate)).
:- use_module(store).
:- use_module(topology).
:- use_module(manifest).
:- use_module(granting).
:- use_module(component_packing).
:- use_module(schedules).
:- use_module(policy).
:- use_module(requests).
:- use_module(choosing).
:- use_module(eligibility).
:- use_module(refusal).

/** <module> The placement controller

Which cores a domain gets, and when and for how long (dissertation §3.6.1). This is the frame: it works out
what each dispatcher asks for in each phase, has the policy in use rank the cores (policy.pl), keeps the
members of a gang on distinct cores, and admits nothing that would over-commit a core (admission.pl). What was
decided is stated as facts of source `placement`: allocation/3, granted/5, domain_manifest/2,
domain_phase/2 and considered/7. A request that is refused changes nothing.

Where a core has not enough time left, the policy says what happens (policy.pl, shortage/1): the request is
refused, or all hard real-time allocations of the machine, running and new, shrink equally until it fits. They
shrink in proportion to what the manifests asked for, by the smallest factor that will do, so that
whoever was shrunk before is not shrunk more than others; when time has become free, the next placement gives
it back.
*/

%!  place(+Domain, +Dispatchers, +Cores, +Manifest, -Placement) is det.
%
%   Domain runs as so many Dispatchers, on Cores if that is a list (dispatcher I on the I-th, from the start
%   again where there are fewer) or where the policy says if it is `any`, by the manifest of that number or
%   `none`, which means one best-effort phase of weight 1. Placement is
%   placement(Policy, Cost, Assignments, Changes):
%
%     - Assignments is a list of assignment(Dispatcher, Core, Phases), Phases a list of parameters, as in
%       manifest.pl but for hard/5 and gang/5, which tell the offset too (schedules.pl);
%     - Changes is a list of changed(Domain, Dispatcher, Core, Phases), running dispatchers whose parameters
%       or offsets are others now.
%
%   @error placement_error(Text)

place(Domain, Dispatchers, Cores, Manifest, Placement) :-
    must_be_new(Domain),
    must_be_positive(Dispatchers),
    prepare_topology,
    requests(Manifest, Dispatchers, Requests),
    policy_in_use(Preferred),
    atomically(( decided(Domain, Cores, Requests, Preferred, Policy, Choices, Assignments, Changes),
                  state(Domain, Manifest)
                )),
    maplist(choice_cost, Choices, Costs),
    sum_list(Costs, Cost),
    Placement = placement(Policy, Cost, Assignments, Changes).

%   decided(+Domain, +Cores, +Requests, +Policy, -Decided, -Choices, -Assignments, -Changes): who has found room by
%   itself may yet have no offset in
%   common with the rest of its gang. Then such cores are looked for where there is room whenever releases come; and
%   only where there are none such the first ones are taken at the others' expense, or the request is refused.

decided(Domain, Cores, Requests, Policy, Decided, Choices, Assignments, Changes) :-
    (   Cores == any,
        member(Request, Requests),
        hard(Request)
    ->  (   member(Room, [slots, always]),
            catch(transaction(attempt(Domain, Cores, Requests, Policy, Room, no, Decided, Choices, Assignments, Changes)),
                  error(placement_error(_), _),
                  fail)
        ->  true
        ;   attempt(Domain, Cores, Requests, Policy, slots, yes, Decided, Choices, Assignments, Changes)
        )
    ;   attempt(Domain, Cores, Requests, Policy, slots, yes, Decided, Choices, Assignments, Changes)
    ).

attempt(Domain, Cores, Requests, Policy, Room, Reduce, Decided, Choices, Assignments, Changes) :-
    choose(Cores, Requests, Policy, Room, Choices, Decided),
    grant(Domain, Decided, Requests, Choices, Reduce, Assignments, Changes).

choice_cost(choice(_, _, _, Cost, _, _), Cost).

%!  request(+Policy, +Domain, +Dispatchers, +Cores, +Text, +Coordinator, -Answer) is det.
%
%   As place/5 by that Policy, with the manifest Text, or `none`, submitted on core Coordinator. Answer is
%   answer(Manifest, Inferences, Placement), Inferences what the decision took: the same for the same
%   knowledge, whatever was asked before. A refused manifest is not kept.

request(Policy, Domain, Dispatchers, Cores, Text, Coordinator, answer(Manifest, Inferences, Placement)) :-
    prepare_topology,
    counted(atomically(( use_policy(Policy),
                          (   Text == none
                          ->  Manifest = none
                          ;   submit(Coordinator, Text, Manifest)
                          ),
                          place(Domain, Dispatchers, Cores, Manifest, Placement)
                        )),
            Inferences).

%!  request(+Policy, +Domain, +Dispatchers, +Cores, +Image, +Text, +Coordinator, -Answer) is det.
%
%   As request/7, for a program that is built for some instruction sets only (eligibility.pl).

request(Policy, Domain, Dispatchers, Cores, Image, Text, Coordinator, Answer) :-
    counted(atomically(( with_image(Image, request(Policy, Domain, Dispatchers, Cores, Text, Coordinator, Answer)),
                          (   Image == any
                          ->  true
                          ;   load_facts(placement, [built_for(Domain, Image)])
                          )
                        )),
            _).

%!  suppose(+Policy, +Domain, +Dispatchers, +Cores, +Image, +Text, +Coordinator, -Answer) is det.
%
%   The answer that request/8 would give; nothing changes.

suppose(Policy, Domain, Dispatchers, Cores, Image, Text, Coordinator, Answer) :-
    counted(snapshot(request(Policy, Domain, Dispatchers, Cores, Image, Text, Coordinator, Answer)), _).

%!  span(+Policy, +Domain, +Cores, -Answer) is det.
%
%   Domain, which runs, gets one dispatcher more: on the first of Cores, or where the Policy says if Cores is
%   `any`. It is of no group until it joins one (membership.pl), so it is best effort of weight 1 in every phase.
%   Answer is
%   answer(Inferences, assignment(Dispatcher, Core, Phases)).
%
%   @error placement_error(Text)

span(Policy, Domain, Cores, answer(Inferences, Assignment)) :-
    prepare_topology,
    statistics(inferences, Before),
    atomically(( use_policy(Policy),
                  findall(Each, facts:allocation(Domain, Each, _), Dispatchers),
                  (   Dispatchers == []
                  ->  refuse("domain ~w is not placed", [Domain])
                  ;   findall(Each, facts:gave_up(Domain, Each, _), Gone),  % their numbers are not given again
                      append(Dispatchers, Gone, All),
                      max_list(All, Last),
                      Dispatcher is Last + 1
                  ),
                  findall(best_effort(1), facts:granted(Domain, 0, _, _, _), Phases),
                  Request = request(Dispatcher, none, Phases),
                  image_of(Domain, Image),
                  with_image(Image, choose(Cores, [Request], Policy, [Choice])),
                  state_choice(Domain, Request, Choice),
                  assignment(Domain, Choice, Assignment)
                )),
    statistics(inferences, After),
    Inferences is After - Before.

%!  trial(+Policy, -Trials:list) is det.
%
%   What Policy would do with some requests, one after the other on a machine without domains: Trials has a
%   trial(Request, Outcome) for each, Request in words, Outcome placed(Cores, Cost) or refused(Text).

trial(Policy, Trials) :-
    aggregate_all(count, core(_), Cores),
    findall(trial(Request, Outcome),
            ( member(Request-Dispatchers-Text,
                     [ "1 dispatcher"-1-none, "4 dispatchers"-4-none,
                       "gang of 4, 20 of 80 ms"-4-"G 20 80 80\n", "one a core"-Cores-none
                     ]),
              outcome(Policy, Dispatchers, Text, Outcome)
            ),
            Trials).

outcome(Policy, Dispatchers, Text, Outcome) :-
    catch(( request(Policy, 1, Dispatchers, any, Text, 0, answer(_, _, placement(_, Cost, Assignments, _))),
            findall(Core, member(assignment(_, Core, _), Assignments), Cores),
            Outcome = placed(Cores, Cost),
            release(1)
          ),
          error(Formal, _),
          ( in_words(error(Formal, _), Said), Outcome = refused(Said) )).

in_words(Error, Text) :-
    '$messages':translate_message(Error, Lines, []),
    with_output_to(string(Text0), print_message_lines(current_output, '', Lines)),
    split_string(Text0, "", "\n ", [Text]).

must_be_new(Domain) :-
    (   facts:allocation(Domain, _, _)
    ->  refuse("domain ~w is placed already", [Domain])
    ;   true
    ).

must_be_positive(Dispatchers) :-
    (   integer(Dispatchers), Dispatchers > 0
    ->  true
    ;   refuse("a domain has at least 1 dispatcher, not ~w", [Dispatchers])
    ),
    aggregate_all(count, core(_), Cores),
    most_a_core(Each),
    Most is max(1, Cores) * Each,
    (   Dispatchers =< Most
    ->  true
    ;   refuse("~D dispatchers are more than ~D cores take, ~D each", [Dispatchers, Cores, Each])
    ).

%   Every dispatcher of a domain binds to every other, so that their number is squared in messages; beyond
%   this many a core it was a slip of the finger.

most_a_core(64).

%   -- granting

%   grant(+Domain, +Policy, +Requests, +Choices, +Reduce, -Assignments, -Changes): what each dispatcher gets, and what
%   others get now. Throws where it cannot be had.

grant(Domain, Policy, Requests, Choices, Reduce, Assignments, Changes) :-
    running_changes(( maplist(state_choice(Domain), Requests, Choices),
                      findall(Core, member(choice(_, Core, _, _, _, _), Choices), Cores0),
                      sort(Cores0, Cores),
                      make_room(Domain, Policy, Cores, Reduce)
                    ),
                    All),
    exclude(of_domain(Domain), All, Changes),
    maplist(assignment(Domain), Choices, Assignments).

of_domain(Domain, changed(Domain, _, _, _)).

state_choice(Domain, request(Dispatcher, Group, Phases), choice(Dispatcher, Core, Policy, Cost, Others, Forbidden)) :-
    findall(granted(Domain, Dispatcher, Phase, Parameters, Parameters),
            nth0(Phase, Phases, Parameters),
            Granted),
    ( Group == none -> Groups = [] ; Groups = [dispatcher_group(Domain, Dispatcher, Group)] ),
    append(Groups, Granted, Facts),
    load_facts(placement,
               [ allocation(Domain, Dispatcher, Core),
                 considered(Domain, Dispatcher, Policy, Core, Cost, Others, Forbidden)
               | Facts
               ]).

assignment(Domain, choice(Dispatcher, Core, _, _, _, _), assignment(Dispatcher, Core, Phases)) :-
    phases_with_offsets(Domain, Dispatcher, Phases).

%   state(+Domain, +Manifest): the rest of what is to be known of a domain that is placed.

state(Domain, Manifest) :-
    (   Manifest == none
    ->  Facts = []
    ;   Facts = [domain_manifest(Domain, Manifest)]
    ),
    load_facts(placement, [domain_phase(Domain, 0)|Facts]).

%!  release(+Domain) is det.
%
%   Domain is placed nowhere, and its manifest is forgotten unless another domain runs by it.

release(Domain) :-
    atomically(( findall(Manifest, facts:domain_manifest(Domain, Manifest), Manifests),
                  findall(Phase, facts:domain_phase(Domain, Phase), Phases),
                  maplist(withdraw(placement),
                          [ allocation(Domain, _, _),
                            dispatcher_group(Domain, _, _),
                            granted(Domain, _, _, _, _),
                            considered(Domain, _, _, _, _, _, _),
                            built_for(Domain, _),
                            domain_manifest(Domain, _),
                            domain_phase(Domain, _),
                            can_spare(Domain, _),
                            wants_cores(Domain, _),
                            asked_back(Domain, _),
                            gave_up(Domain, _, _),
                            virtualised(Domain, _, _),
                            unganged(Domain, _)
                          ]),
                  maplist(forget_slots(Domain), Phases),
                  forall(( member(Manifest, Manifests), \+ facts:domain_manifest(_, Manifest) ),
                         maplist(withdraw(placement),
                                 [ manifest(Manifest),
                                   manifest_group(Manifest, _, _),
                                   manifest_phase(Manifest, _, _, _)
                                 ]))
                )).

%!  change_phase(+Domain, +Phase) is det.
%
%   Domain is in Phase now.

change_phase(Domain, Phase) :-
    (   \+ facts:domain_phase(Domain, _)
    ->  refuse("domain ~w is not placed", [Domain])
    ;   \+ facts:granted(Domain, _, Phase, _, _)
    ->  refuse("domain ~w has no phase ~w", [Domain, Phase])
    ;   atomically(( withdraw(placement, domain_phase(Domain, _)),
                      load_facts(placement, [domain_phase(Domain, Phase)])
                    ))
    ).

%!  explain(+Domain, -Reasons) is semidet.
%
%   Reasons has for each dispatcher of Domain
%   reason(Dispatcher, Core, Policy, Cost, Alternatives, Forbidden): the policy (`given`: the user named the
%   cores) compared the Cost of Core with those of Alternatives, the best others as Core-Cost;
%   Forbidden is forbidden(ByPolicy, NoRoom, SameGang), how many cores were out of the question and why.

explain(Domain, Reasons) :-
    findall(reason(Dispatcher, Core, Policy, Cost, Alternatives, Forbidden),
            facts:considered(Domain, Dispatcher, Policy, Core, Cost, Alternatives, Forbidden),
            Reasons0),
    Reasons0 = [_|_],
    sort(Reasons0, Reasons).
