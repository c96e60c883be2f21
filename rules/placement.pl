:- encoding(utf8).
:- module(placement,
          [ place/5,                    % +Domain, +Dispatchers, +Cores, +Manifest, -Placement
            request/7,                  % +Policy, +Domain, +Dispatchers, +Cores, +Text, +Coordinator, -Answer
            request/8,                  % +Policy, +Domain, +Dispatchers, +Cores, +Image, +Text, +Coordinator, -Answer
            span/4,                     % +Policy, +Domain, +Cores, -Answer
            granted_phases/3,           % +Domain, +Dispatcher, -Phases
            release/1,                  % +Domain
            change_phase/2,             % +Domain, +Phase
            explain/2,                  % +Domain, -Reasons
            trial/2,                    % +Policy, -Trials
            rehearse/0
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(library(aggregate)).
:- use_module(store).
:- use_module(topology).
:- use_module(costs).
:- use_module(manifest).
:- use_module(admission).
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
%     - Assignments is a list of assignment(Dispatcher, Core, Phases), Phases a list of parameters (manifest.pl,
%       every release a time);
%     - Changes is a list of changed(Domain, Dispatcher, Core, Phases), running dispatchers whose parameters
%       are others now.
%
%   @error placement_error(Text)

place(Domain, Dispatchers, Cores, Manifest, Placement) :-
    must_be_new(Domain),
    must_be_positive(Dispatchers),
    prepare_topology,
    requests(Manifest, Dispatchers, Requests),
    policy_in_use(Policy),
    atomically(( choose(Cores, Requests, Policy, Choices),
                  grant(Domain, Policy, Requests, Choices, Assignments, Changes),
                  state(Domain, Manifest)
                )),
    maplist(choice_cost, Choices, Costs),
    sum_list(Costs, Cost),
    Placement = placement(Policy, Cost, Assignments, Changes).

choice_cost(choice(_, _, _, Cost, _, _), Cost).

%!  request(+Policy, +Domain, +Dispatchers, +Cores, +Text, +Coordinator, -Answer) is det.
%
%   As place/5 by that Policy, with the manifest Text, or `none`, submitted on core Coordinator. Answer is
%   answer(Manifest, Inferences, Placement), Inferences what the decision took: the same for the same
%   knowledge, whatever was asked before. A refused manifest is not kept.

request(Policy, Domain, Dispatchers, Cores, Text, Coordinator, answer(Manifest, Inferences, Placement)) :-
    prepare_topology,
    statistics(inferences, Before),
    atomically(( use_policy(Policy),
                  (   Text == none
                  ->  Manifest = none
                  ;   submit(Coordinator, Text, Manifest)
                  ),
                  place(Domain, Dispatchers, Cores, Manifest, Placement)
                )),
    statistics(inferences, After),
    Inferences is After - Before.

%!  request(+Policy, +Domain, +Dispatchers, +Cores, +Image, +Text, +Coordinator, -Answer) is det.
%
%   As request/7, for a program that is built for some instruction sets only (eligibility.pl).

request(Policy, Domain, Dispatchers, Cores, Image, Text, Coordinator, Answer) :-
    atomically(( with_image(Image, request(Policy, Domain, Dispatchers, Cores, Text, Coordinator, Answer)),
                  (   Image == any
                  ->  true
                  ;   load_facts(placement, [built_for(Domain, Image)])
                  )
                )).

%!  span(+Policy, +Domain, +Cores, -Answer) is det.
%
%   Domain, which runs, gets one dispatcher more: on the first of Cores, or where the Policy says if Cores is
%   `any`. It has not joined the domain's manifest, so it is best effort of weight 1 in every phase. Answer is
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
                  ;   max_list(Dispatchers, Last),
                      Dispatcher is Last + 1
                  ),
                  findall(best_effort(1), facts:granted(Domain, 0, _, _, _), Phases),
                  Request = request(Dispatcher, main, Phases),
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

%   grant(+Domain, +Policy, +Requests, +Choices, -Assignments, -Changes): what each dispatcher gets, and what
%   others get now. Throws where it cannot be had.

grant(Domain, Policy, Requests, Choices, Assignments, Changes) :-
    maplist(state_choice(Domain), Requests, Choices),
    (   policy_shortage(Policy, reduce)
    ->  common_factor(Factor),
        reduce_all(Factor, Domain, Changes)
    ;   findall(Core, member(choice(_, Core, _, _, _, _), Choices), Cores0),
        sort(Cores0, Cores),
        maplist(must_fit, Cores),
        Changes = []
    ),
    maplist(assignment(Domain), Choices, Assignments).

state_choice(Domain, request(Dispatcher, _, Phases), choice(Dispatcher, Core, Policy, Cost, Others, Forbidden)) :-
    findall(granted(Domain, Dispatcher, Phase, Parameters, Parameters),
            nth0(Phase, Phases, Parameters),
            Granted),
    load_facts(placement,
               [ allocation(Domain, Dispatcher, Core),
                 considered(Domain, Dispatcher, Policy, Core, Cost, Others, Forbidden)
               | Granted
               ]).

assignment(Domain, choice(Dispatcher, Core, _, _, _, _), assignment(Dispatcher, Core, Phases)) :-
    granted_phases(Domain, Dispatcher, Phases).

%!  granted_phases(+Domain, +Dispatcher, -Phases) is det.
%
%   The parameters granted to a dispatcher, by phase.

granted_phases(Domain, Dispatcher, Phases) :-
    findall(Phase-Parameters, facts:granted(Domain, Dispatcher, Phase, Parameters, _), Pairs0),
    keysort(Pairs0, Pairs),
    pairs_values(Pairs, Phases).

must_fit(Core) :-
    core_demands(Core, granted, Demands),
    (   shortfall(Demands, Shortfall)
    ->  shortfall_text(Core, Demands, Shortfall, Text),
        refuse("~s", [Text])
    ;   true
    ).

%   common_factor(-Factor): what all may have of what they asked for, so that every core has room.

common_factor(Factor) :-
    findall(Core, hard_core(Core), Cores0),
    sort(Cores0, Cores),
    findall(Demands, ( member(Core, Cores), core_demands(Core, asked, Demands) ), All0),
    sort(All0, All),                    % many cores are alike
    foldl(smaller_factor, All, 1, Factor).

hard_core(Core) :-
    facts:granted(Domain, Dispatcher, _, _, Asked),
    phase_tasks(Asked, [_]),
    facts:allocation(Domain, Dispatcher, Core).

smaller_factor(Demands, Factor0, Factor) :-
    largest_factor(Demands, Own),
    Factor is min(Factor0, Own).

reduce_all(Factor, New, Changes) :-
    findall(granted(Domain, Dispatcher, Phase, Reduced, Asked)-Granted,
            ( facts:granted(Domain, Dispatcher, Phase, Granted, Asked),
              reduced(Asked, Factor, Reduced),
              Reduced \== Granted
            ),
            Facts0),
    sort(Facts0, Facts),
    pairs_keys(Facts, Changed),
    must_be_worthwhile(Changed),
    forall(member(granted(Domain, Dispatcher, Phase, _, _), Changed),
           withdraw(placement, granted(Domain, Dispatcher, Phase, _, _))),
    load_facts(placement, Changed),
    findall(Domain-Dispatcher,
            ( member(granted(Domain, Dispatcher, _, _, _), Changed), Domain \== New ),
            Running0),
    sort(Running0, Running),
    findall(changed(Domain, Dispatcher, Core, Phases),
            ( member(Domain-Dispatcher, Running),
              facts:allocation(Domain, Dispatcher, Core),
              granted_phases(Domain, Dispatcher, Phases)
            ),
            Changes).

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
                  maplist(withdraw(placement),
                          [ allocation(Domain, _, _),
                            granted(Domain, _, _, _, _),
                            considered(Domain, _, _, _, _, _, _),
                            built_for(Domain, _),
                            domain_manifest(Domain, _),
                            domain_phase(Domain, _)
                          ]),
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

%!  rehearse is det.
%
%   Every shipped policy has decided once, on a machine that is forgotten again. Libraries resolve some of their
%   own calls when they are first made, which takes a few inferences; as a decision's inferences are
%   simulated time, the first one of a session must not differ from the next.

rehearse :-
    policies(Policies),
    forall(member(policy(Policy, _), Policies), rehearse(Policy)).

rehearse(Policy) :-
    snapshot(( rehearsal_machine,
               request(Policy, 1, 2, any, none, 0, _),
               request(Policy, 2, 2, any, "B 1\nG 1.5 10 5 80 # gang\nH 3 10 8 auto\nS 1 10\n", 0, _),
               change_phase(2, 1),
               catch(span(Policy, 2, any, _), error(placement_error(_), _), true),   % no core is left
               release(2)
             )),
    catch(snapshot(( rehearsal_machine,
                     request(Policy, 1, 3, any, "H 7 10 8\n", 0, _),
                     request(Policy, 2, 4, [0, 1, 2, 3], "group a 0-1\nH 8 10\ngroup b\nB 2\n", 0, _)
                   )),
          error(placement_error(_), _),
          true).

rehearsal_machine :-
    findall(cpu_thread(Core, Package, 0, Thread),
            ( member(Core, [0, 1, 2, 3]), Package is Core // 2, Thread is Core mod 2 ),
            Facts),
    forget_machine,
    load_facts(boot, [ht_link(0, 1), cost(timeslice, 1, ms, "")|Facts]).
