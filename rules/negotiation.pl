:- encoding(utf8).
:- module(negotiation,
          [ may_ask/2,                  % ?Domain, -Cores
            ask/3,                      % +Domain, +Wanted, -Answer
            given_up/3,                 % +Domain, +Dispatcher, -Answer
            gangs_again/2,              % +Domain, -Answer
            virtualise/4,               % +Domain, +Cores, +Dispatchers, -Answer
            offer/4,                    % +Domain, +Kind, +Cores, -Inferences
            spared/2,                   % +Core, -Domains
            room_by_asking/7            % +Policy, +Dispatchers, +Cores, +Image, +Text, +Coordinator, -Answer
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(library(aggregate)).
:- use_module(store).
:- use_module(schedules).
:- use_module(policy).
:- use_module(requests).
:- use_module(granting).
:- use_module(placement).
:- use_module(vacating).
:- use_module(eligibility).
:- use_module(component_packing, [counted/2]).
:- use_module(refusal).

/** <module> Asking domains to give up cores, and virtualising what they keep

Allocations are negotiated anew while domains run (dissertation §3.4.5). A domain says how many cores it could spare or would like
(can_spare/2, wants_cores/2). It is asked to give up cores, and has a while to end its dispatchers there. What it has
not given up by then is virtualised: its dispatchers from there are multiplexed over the cores that it keeps. A gang two members of
which share a core is no gang then: its members are best effort, so that no core is over-committed, until each has a core of its own.

Dispatcher 0 has the domain's root page table and coordinates its phase changes, so it cannot end; it is asked for last.
*/

%!  may_ask(?Domain, -Cores:list) is nondet.
%
%   To make room for others Domain may be asked for any number of Cores, the first ones first: as many as it says that it can spare, or
%   as many as a rule of the user's says (may_reclaim/2). Who can spare cores comes first.

may_ask(Domain, Cores) :-
    facts:can_spare(Domain, Count),
    askable(Domain, Count, Cores).
may_ask(Domain, Cores) :-
    facts:may_reclaim(Domain, Count),
    \+ facts:can_spare(Domain, _),
    askable(Domain, Count, Cores).

askable(Domain, Count, Cores) :-
    own_cores(Domain, Own),
    append(Others, [_], Own),           % it keeps one
    exclude(asked_for(Domain), Others, Free),
    first(Count, Free, Cores),
    Cores \== [].

asked_for(Domain, Core) :-
    facts:asked_back(Domain, Core).

first(Count, List, First) :-
    length(List, Length),
    Take is min(Count, Length),
    length(First, Take),
    append(First, _, List).

%   own_cores(+Domain, -Cores): in the order in which they are asked for: the newest dispatchers' first, that of dispatcher 0 last.

own_cores(Domain, Cores) :-
    findall(Core-Dispatcher, facts:allocation(Domain, Dispatcher, Core), Pairs0),
    sort(Pairs0, Pairs),
    group_pairs_by_key(Pairs, Groups),
    findall(First-Core, member(Core-[First|_], Groups), Firsts0),
    sort(0, @>=, Firsts0, Firsts),
    pairs_values(Firsts, Cores).

%!  ask(+Domain, +Wanted, -Answer) is det.
%
%   Domain is asked for Wanted, count(N) or cores(List). Answer is answer(Inferences, Asked), Asked a list of Dispatcher-Core: those that
%   are to end.
%
%   @error placement_error(Text)

ask(Domain, Wanted, answer(Inferences, Asked)) :-
    counted(atomically(asked(Domain, Wanted, Asked)), Inferences).

asked(Domain, Wanted, Asked) :-
    own_cores(Domain, All),
    exclude(asked_for(Domain), All, Own),
    wanted(Wanted, Domain, All, Own, Cores),
    length(Own, Has),
    length(Cores, Gives),
    (   Gives < Has
    ->  true
    ;   ranges_text(Cores, CoresText),
        refuse("domain ~w has to keep a core; to give up ~s would leave it none", [Domain, CoresText])
    ),
    findall(asked_back(Domain, Core), member(Core, Cores), Facts),
    load_facts(placement, Facts),
    findall(Dispatcher-Core,
            ( member(Core, Cores), facts:allocation(Domain, Dispatcher, Core) ),
            Asked0),
    sort(Asked0, Asked).

wanted(count(Count), Domain, _, Own, Cores) :-
    length(Own, Has),
    (   Count < 1
    ->  refuse("a domain is asked for 1 core at least, not ~w", [Count])
    ;   Count >= Has
    ->  Most is Has - 1,
        refuse("domain ~w is on ~D cores and has to keep one: it can give up ~D, not ~D",
               [Domain, Has, Most, Count])
    ;   first(Count, Own, Cores)
    ).
wanted(cores(Cores0), Domain, All, Own, Cores) :-
    sort(Cores0, Cores),
    (   member(Core, Cores),
        \+ memberchk(Core, Own)
    ->  (   memberchk(Core, All)
        ->  refuse("domain ~w is being asked for core ~w already", [Domain, Core])
        ;   sort(All, Sorted),
            ranges_text(Sorted, AllText),
            refuse("domain ~w is not on core ~w; it is on ~s", [Domain, Core, AllText])
        )
    ;   true
    ).

%!  given_up(+Domain, +Dispatcher, -Answer) is det.
%
%   Dispatcher has ended; Domain has one fewer. Answer is answer(Inferences, Changes), Changes as of join/4 (membership.pl).

given_up(Domain, Dispatcher, answer(Inferences, Changes)) :-
    counted(atomically(running_changes(without(Domain, Dispatcher), Changes)), Inferences).

without(Domain, Dispatcher) :-
    (   facts:allocation(Domain, Dispatcher, Core)
    ->  load_facts(placement, [gave_up(Domain, Dispatcher, Core)]),
        maplist(withdraw(placement),
                [ allocation(Domain, Dispatcher, _), dispatcher_group(Domain, Dispatcher, _),
                  granted(Domain, Dispatcher, _, _, _), considered(Domain, Dispatcher, _, _, _, _, _),
                  virtualised(Domain, Dispatcher, _)
                ]),
        ( facts:allocation(Domain, _, Core) -> true ; core_freed(Domain, Core) ),
        room_again(Domain, Core)
    ;   true                            % the domain itself is gone
    ).

core_freed(Domain, Core) :-
    withdraw(placement, asked_back(Domain, Core)),
    (   facts:can_spare(Domain, Count)
    ->  withdraw(placement, can_spare(Domain, _)),
        Left is Count - 1,
        ( Left > 0 -> load_facts(placement, [can_spare(Domain, Left)]) ; true )
    ;   true
    ).

%!  gangs_again(+Domain, -Answer) is det.
%
%   The gangs of Domain that were virtualised are granted what its manifest asks for, as soon as no two members share a core and if there is
%   time for it. Answer is as of given_up/3.

gangs_again(Domain, answer(Inferences, Changes)) :-
    counted(( catch(atomically(running_changes(all_ganged(Domain), Changes0)), error(placement_error(_), _), fail)
            ->  Changes = Changes0
            ;   Changes = []
            ),
            Inferences).

all_ganged(Domain) :-
    findall(Group, facts:unganged(Domain, Group), Groups),
    maplist(gang_again(Domain), Groups).

gang_again(Domain, Group) :-
    findall(Core-Dispatcher, member_of(Domain, Group, Dispatcher, Core), Places),
    pairs_keys(Places, Cores),
    sort(Cores, Distinct),
    (   same_length(Cores, Distinct),
        facts:domain_manifest(Domain, Manifest)
    ->  ganged(Domain, Group, Manifest, Places)
    ;   true
    ).

ganged(Domain, Group, Manifest, Places) :-
    group_parameters(Manifest, Group, Phases),
    withdraw(placement, unganged(Domain, Group)),
    forall(member(_-Dispatcher, Places),
           (   withdraw(placement, granted(Domain, Dispatcher, _, _, _)),
               withdraw(placement, virtualised(Domain, Dispatcher, _)),
               findall(granted(Domain, Dispatcher, Phase, Each, Each), nth0(Phase, Phases, Each), Granted),
               load_facts(placement, Granted)
           )),
    policy_in_use(Policy),
    pairs_keys(Places, Cores),
    make_room(Domain, Policy, Cores, yes).

member_of(Domain, Group, Dispatcher, Core) :-
    facts:dispatcher_group(Domain, Dispatcher, Group),
    facts:allocation(Domain, Dispatcher, Core).

%   room_again(+Domain, +Core): offsets are found anew where Domain asks for less than before; if none are found, the old ones still hold.

room_again(Domain, Core) :-
    (   hard_left(Domain)
    ->  true
    ;   forall(facts:domain_phase(Domain, Phase), forget_slots(Domain, Phase))
    ),
    policy_in_use(Policy),
    catch(make_room(Domain, Policy, [Core], yes), error(placement_error(_), _), true).

hard_left(Domain) :-
    facts:granted(Domain, _, _, Parameters, _),
    functor(Parameters, Kind, 4),       % hard/4 or gang/4
    memberchk(Kind, [hard, gang]),
    !.

%!  virtualise(+Domain, +Cores, +Dispatchers, -Answer) is det.
%
%   The time is over in which Domain was to give up Cores, and these Dispatchers are there still: they go to the cores that it keeps, each
%   to one with the fewest of its own. Gangs of which two members share a core then are best effort; so is hard real time that its new core has no room for.
%   Answer is answer(Inferences, Moves, Changes), as of vacate/2; no Moves where it keeps no other core.

virtualise(Domain, Cores, Dispatchers, answer(Inferences, Moves, Changes)) :-
    counted(( member(Hard, [kept, best_effort]),
              catch(atomically(virtualised(Domain, Cores, Dispatchers, Hard, Moves0, Changes0)), error(placement_error(_), _), fail)
            ->  Moves = Moves0,
                Changes = Changes0
            ;   Moves = [],
                Changes = []
            ),
            Inferences).

virtualised(Domain, Cores, Dispatchers, Hard, Moves, Changes) :-
    findall(Dispatcher-Core,
            ( member(Dispatcher, Dispatchers), facts:allocation(Domain, Dispatcher, Core), memberchk(Core, Cores) ),
            Pairs0),
    sort(Pairs0, Pairs),
    own_cores(Domain, Own),
    exclude(asked_for(Domain), Own, Kept0),
    sort(Kept0, Kept),
    forall(member(Core, Cores), withdraw(placement, asked_back(Domain, Core))),
    (   ( Pairs == [] ; Kept == [] )
    ->  Moves = [],
        Changes = []
    ;   running_changes(multiplexed(Domain, Pairs, Kept, Hard), Changes0),
        findall(move(Domain, Dispatcher, To, Phases),
                ( member(Dispatcher-_, Pairs),
                  facts:allocation(Domain, Dispatcher, To),
                  phases_with_offsets(Domain, Dispatcher, Phases)
                ),
                Moves),
        exclude(moves(Domain, Pairs), Changes0, Changes)
    ).

moves(Domain, Pairs, changed(Domain, Dispatcher, _, _)) :-
    memberchk(Dispatcher-_, Pairs).

multiplexed(Domain, Pairs, Kept, Hard) :-
    foldl(move_to_kept(Domain), Pairs, Kept, _),
    findall(Group, two_on_a_core(Domain, Group), Groups0),
    sort(Groups0, Groups),
    maplist(not_a_gang(Domain), Groups),
    pairs_keys(Pairs, Moved),
    (   Hard == best_effort
    ->  maplist(best_effort_instead(Domain, hard), Moved)
    ;   member(Dispatcher, Moved),
        facts:granted(Domain, Dispatcher, _, hard(_, _, _, _), _)
    ->  policy_in_use(Policy),
        make_room(Domain, Policy, Kept, no)
    ;   true
    ),
    Kept = [Core|_],
    room_again(Domain, Core).

move_to_kept(Domain, Dispatcher-From, Kept, Kept) :-
    findall(Count-Core,
            ( member(Core, Kept), aggregate_all(count, facts:allocation(Domain, _, Core), Count) ),
            Counts),
    msort(Counts, [Count-To|Others]),
    findall(Other-Cost, member(Cost-Other, Others), Alternatives0),
    first(3, Alternatives0, Alternatives),
    withdraw(placement, allocation(Domain, Dispatcher, _)),
    withdraw(placement, considered(Domain, Dispatcher, _, _, _, _, _)),
    load_facts(placement,
               [ allocation(Domain, Dispatcher, To),
                 virtualised(Domain, Dispatcher, From),
                 considered(Domain, Dispatcher, virtualised, To, Count, Alternatives, forbidden(0, 0, 0))
               ]).

two_on_a_core(Domain, Group) :-
    facts:allocation(Domain, One, Core),
    facts:granted(Domain, One, _, gang(_, _, _, _), _),
    facts:dispatcher_group(Domain, One, Group),
    facts:allocation(Domain, Other, Core),
    Other =\= One,
    facts:dispatcher_group(Domain, Other, Group).

not_a_gang(Domain, Group) :-
    findall(Dispatcher, facts:dispatcher_group(Domain, Dispatcher, Group), Members),
    maplist(best_effort_instead(Domain, gang), Members),
    load_facts(placement, [unganged(Domain, Group)]).

%   best_effort_instead(+Domain, +Kind, +Dispatcher): in the phases in which it had that kind of real time it is best effort.

best_effort_instead(Domain, Kind, Dispatcher) :-
    findall(Phase,
            ( facts:granted(Domain, Dispatcher, Phase, Parameters, _), functor(Parameters, Kind, _) ),
            Phases),
    forall(member(Phase, Phases), withdraw(placement, granted(Domain, Dispatcher, Phase, _, _))),
    findall(granted(Domain, Dispatcher, Phase, best_effort(1), best_effort(1)), member(Phase, Phases), Granted),
    load_facts(placement, Granted).

%!  offer(+Domain, +Kind, +Cores, -Inferences) is det.
%
%   Domain says that it can spare that number of Cores (Kind `spare`) or would like as many more (`want`); 0: neither any more.

offer(Domain, Kind, Cores, Inferences) :-
    counted(offered(Domain, Kind, Cores), Inferences).

offered(Domain, Kind, Cores) :-
    ( Kind == spare -> Name = can_spare ; Name = wants_cores ),
    Pattern =.. [Name, Domain, _],
    Fact =.. [Name, Domain, Cores],
    atomically(( withdraw(placement, Pattern),
                  ( Cores > 0 -> load_facts(placement, [Fact]) ; true )
                )).

%!  spared(+Core, -Domains:list) is det.
%
%   Domains that may be asked for Core itself, which is to go off line.
%
%   @error placement_error(Text) where somebody else has to stay there

spared(Core, Domains) :-
    findall(Domain, could_leave(Domain, Core), Domains0),
    sort(Domains0, Domains),
    (   Domains == []
    ->  true                            % whoever stays, vacate/2 will tell
    ;   snapshot(( maplist(leaves(Core), Domains), vacate(Core, _) ))
    ).

leaves(Core, Domain) :-
    without_cores(Domain, [Core]).

could_leave(Domain, Core) :-
    may_ask(Domain, _),
    facts:allocation(Domain, _, Core),
    \+ facts:allocation(Domain, 0, Core),
    \+ facts:asked_back(Domain, Core).

%!  room_by_asking(+Policy, +Dispatchers, +Cores, +Image, +Text, +Coordinator, -Answer) is det.
%
%   A request (request/8 in placement.pl) that is refused could be granted if some domain gave up cores that it may be asked for.
%   Answer is answer(Inferences, Asked), Asked a list of one Domain-Cores, the fewest that do, or [].

room_by_asking(Policy, Dispatchers, Cores, Image, Text, Coordinator, answer(Inferences, Asked)) :-
    counted(( fewest(Dispatchers, Cores, Image, Text, Coordinator, Policy, Domain, Given)
            ->  Asked = [Domain-Given]
            ;   Asked = []
            ),
            Inferences).

fewest(Dispatchers, Cores, Image, Text, Coordinator, Policy, Domain, Given) :-
    findall(Each-All, may_ask(Each, All), Candidates),
    findall(Length, ( member(_-All, Candidates), length(All, Length) ), Lengths),
    max_list([0|Lengths], Most),
    between(1, Most, Count),
    member(Domain-All, Candidates),
    given(Cores, Count, All, Given),
    snapshot(( without_cores(Domain, Given),
               fits(Policy, Dispatchers, Cores, Image, Text, Coordinator)
             )),
    !.

%   given(+Wanted, +Count, +All, -Given): so many of All; only of those that are Wanted, where the request says which.

given(any, Count, All, Given) :-
    length(Given, Count),
    append(Given, _, All).
given([Wanted|Rest], Count, All, Given) :-
    include(one_of([Wanted|Rest]), All, Useful),
    length(Given, Count),
    append(Given, _, Useful).

one_of(List, Each) :-
    memberchk(Each, List).

without_cores(Domain, Cores) :-
    forall(( member(Core, Cores), facts:allocation(Domain, Dispatcher, Core) ),
           without(Domain, Dispatcher)).

fits(Policy, Dispatchers, Cores, Image, Text, Coordinator) :-
    findall(Each, facts:allocation(Each, _, _), Domains),
    max_list([0|Domains], Last),
    New is Last + 1,
    catch(request(Policy, New, Dispatchers, Cores, Image, Text, Coordinator, _), error(placement_error(_), _), fail).
