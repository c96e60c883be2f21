:- encoding(utf8).
:- module(policy,
          [ policy/2,                   % +Name, +Description
            policies/1,                 % -Policies
            load_policy/2,              % +File, -Name
            load_policy/3,              % +File, -Name, -Warnings
            load_shipped/0,
            policy_file/2,              % +Name, -File
            use_policy/1,               % +Name
            policy_in_use/1,            % -Name
            default_policy/1,           % -Name
            policy_shortage/2,          % +Name, -Shortage
            policy_places/1,            % +Name
            policy_place/4,             % +Name, +Dispatchers, +Cores, -Chosen
            policy_refusal/3,           % +Name, +Dispatcher, -Why
            policy_slack/4,             % +Name, +Dispatchers, -Weights, -Warning
            ranking/4                   % +Name, +Dispatcher, +Cores, -Ranking
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(solution_sequences)).
:- use_module(library(sandbox), []).
:- use_module(vocabulary).
:- use_module(load, []).
:- use_module(safety).

/** <module> Placement policies

A policy is a file of Prolog that says which core a dispatcher should have:

    :- policy(near, "one package, least loaded first").
    cost(Dispatcher, Core, Cost) :-
        load(Core, Load), spread(Dispatcher, Core, Hops),
        Cost is Load + 10*Hops.

  - cost(Dispatcher, Core, Cost) ranks the cores for a dispatcher: the one of least Cost (a number) is
    taken, of several the first. A core for which it fails is forbidden.
  - place(Dispatchers, Cores, Placement), where it is defined, takes the whole decision: Placement has
    a Dispatcher-Core for each of Dispatchers.
  - shortage(reduce) says that all hard real-time allocations shrink equally when there is not enough
    time for a request; without it the request is refused.

What a policy does has no say if it is no decision: where it fails, raises an error, finds no end, gives several
answers or one that means nothing, the default policy decides (choosing.pl), and who asked is told.

It sees all facts and derived predicates, and of the decision under way load/2, sibling_load/2,
package_load/2, peers/2, package_peers/2 and spread/3 (load.pl). Each policy lives in a module of its own.
The shipped ones are the files of rules/policies.
*/

:- dynamic
       known/3,                         % Name, Description, Module
       in_use/1.                        % Name

%!  policy(+Name, +Description) is det.
%
%   Directive that opens a policy's file.

policy(Name, Description) :-
    (   prolog_load_context(module, Module),
        Module \== user
    ->  retractall(known(Name, _, _)),
        assertz(known(Name, Description, Module))
    ;   throw(error(policy_error("a policy is a file of its own; policy load FILE loads it"), _))
    ).

%   The sandbox lets the directive pass: all it does is to note the policy's name.

:- multifile sandbox:safe_directive/1, sandbox:safe_primitive/1.

sandbox:safe_directive(policy(_, _)).
sandbox:safe_directive(_:policy(_, _)).
sandbox:safe_primitive(policy:policy(_, _)).

%!  policies(-Policies) is det.
%
%   Policies is a list of policy(Name, Description), by name.

policies(Policies) :-
    findall(policy(Name, Description), known(Name, Description, _), Policies0),
    sort(Policies0, Policies).

%!  load_policy(+File, -Name) is det.
%!  load_policy(+File, -Name, -Warnings:list(string)) is det.
%
%   The policy in File is known by Name from now on, in place of one of that name before. What is loaded from
%   outside rules/policies may do no harm (safety.pl). A file with an error in it is not a policy.
%
%   @error policy_error(Text), Text naming file and line

load_policy(File, Name) :-
    load_policy(File, Name, _).

load_policy(File, Name, Warnings) :-
    policy_name(File, Name),
    atom_concat(policy_, Name, Module),
    forall(( source_file_property(Other, load_context(Module, _, _)), Other \== File ),
           unload_file(Other)),
    prepare_module(Module),
    (   shipped(File)
    ->  Sandboxed = false
    ;   Sandboxed = true
    ),
    catch(load_checked(File, Name, Module, Sandboxed, Warnings), Error,
          ( retractall(known(Name, _, Module)), forget_use(Name), throw(Error) )).

load_checked(File, Name, Module, Sandboxed, Warnings) :-
    noting(load_files(Module:File, [silent(true), sandboxed(Sandboxed)]), Notes),
    (   member(note(error, Text), Notes)
    ->  throw(error(policy_error(Text), _))
    ;   findall(Text, member(note(warning, Text), Notes), Warnings)
    ),
    (   known(Name, _, Module),
        ( defines(Module, cost, 3) ; defines(Module, place, 3) )
    ->  true
    ;   format(string(Text), "~w: a policy defines cost/3 or place/3", [File]),
        throw(error(policy_error(Text), _))
    ),
    import_all(Module),
    (   Sandboxed == true
    ->  catch(must_be_safe(Module, [cost(_, _, _), place(_, _, _), shortage(_)]), Unsafe,
              unsafe(File, Unsafe))
    ;   true
    ).

unsafe(File, Error) :-
    message_text(Error, ErrorText),
    format(string(Text), "~w: ~w", [File, ErrorText]),
    throw(error(policy_error(Text), _)).

%   noting(:Goal, -Notes): Notes is a list of note(Severity, Text) of the messages of Goal, none of which is
%   printed.

:- meta_predicate noting(0, -).
:- dynamic note/2.
:- dynamic user:message_hook/3.
:- multifile user:message_hook/3.

noting(Goal, Notes) :-
    retractall(note(_, _)),
    setup_call_cleanup(
        asserta((user:message_hook(Term, Severity, _) :- policy:take_note(Severity, Term)), Hook),
        once(Goal),
        erase(Hook)),
    findall(note(Severity, Text), retract(note(Severity, Text)), Notes).

take_note(Severity, Term) :-
    memberchk(Severity, [error, warning]),
    message_text(Term, Text),
    (   Term = error(_, file(_, _, _, _))
    ->  Placed = Text                   % it names file and line itself
    ;   source_location(File, Line)
    ->  format(string(Placed), "~w:~w: ~w", [File, Line, Text])
    ;   Placed = Text
    ),
    assertz(note(Severity, Placed)).

message_text(Term, Text) :-
    '$messages':translate_message(Term, Lines, []),
    with_output_to(string(Lined), print_message_lines(current_output, '', Lines)),
    split_string(Lined, "\n", " \t\r", Parts0),
    exclude(==(""), Parts0, Parts),
    atomic_list_concat(Parts, ' ', Atom),
    atom_string(Atom, Text).

forget_use(Name) :-
    retractall(in_use(Name)).

%   What a policy may call is imported at once: looked up at its first call, it would make that call take a
%   few inferences more than the next, and a decision's inferences are simulated time.

import_all(Module) :-
    forall(( visible(Exporter, Name, Arity),
             \+ defines(Module, Name, Arity)
           ),
           @(Module:import(Exporter:Name/Arity), Module)).

visible(facts, Name, Arity) :-
    declared(Name, Arity, fact, _, _, _).
visible(Exporter, Name, Arity) :-
    declared(Name, Arity, derived, _, _, _),
    functor(Head, Name, Arity),
    (   predicate_property(skb:Head, imported_from(Exporter))
    ->  true
    ).
visible(load, Name, Arity) :-
    module_property(load, exports(Exports)),
    member(Name/Arity, Exports),
    \+ declared(Name, Arity, derived, _, _, _).

policy_name(File, Name) :-
    (   catch(setup_call_cleanup(open(File, read, In, [encoding(utf8)]),
                                 first_term(In, Term),
                                 close(In)),
              error(Formal, Context), throw(error(Formal, Context))),
        Term = (:- policy(Name, Description)),
        atom(Name),
        string(Description)
    ->  true
    ;   format(string(Text), "~w: expected :- policy(name, \"description\"). first", [File]),
        throw(error(policy_error(Text), _))
    ).

first_term(In, Term) :-
    read_term(In, Term0, []),
    (   Term0 = (:- encoding(_))
    ->  read_term(In, Term, [])
    ;   Term = Term0
    ).

prepare_module(Module) :-
    add_import_module(Module, skb, start),
    @(Module:import(policy:policy/2), Module).

shipped(File) :-
    shipped_folder(Folder),
    absolute_file_name(File, Absolute),
    file_directory_name(Absolute, Folder).

shipped_folder(Folder) :-
    module_property(policy, file(Here)),
    file_directory_name(Here, Rules),
    atom_concat(Rules, '/policies', Folder).

%!  use_policy(+Name) is det.
%
%   Placements are decided by that policy from now on.

use_policy(Name) :-
    must_be_known(Name, _),
    retractall(in_use(_)),
    assertz(in_use(Name)).

must_be_known(Name, Module) :-
    (   known(Name, _, Module)
    ->  true
    ;   policies(Policies),
        findall(Each, member(policy(Each, _), Policies), Names),
        atomic_list_concat(Names, ', ', Known),
        format(string(Text), "no policy ~w; there are ~w", [Name, Known]),
        throw(error(policy_error(Text), _))
    ).

%!  policy_file(+Name, -File) is det.
%
%   That policy is written in File.

policy_file(Name, File) :-
    must_be_known(Name, Module),
    source_file_property(File, load_context(Module, _, _)),
    !.

%!  policy_in_use(-Name) is det.
%
%   The policy that decides placements: load_balance (dissertation §3.6.1) unless another was chosen.

policy_in_use(Name) :-
    (   in_use(Chosen)
    ->  Name = Chosen
    ;   default_policy(Name)
    ).

%!  default_policy(-Name) is det.
%
%   It decides if no other was chosen, or in the place of one that does not come to a decision.

default_policy(load_balance).

%!  policy_shortage(+Name, -Shortage) is det.
%
%   What happens where there is not enough time: `reduce` or `refuse`.

policy_shortage(Name, Shortage) :-
    known(Name, _, Module),
    (   defines(Module, shortage, 1)
    ->  policy_answers(Name, Module:shortage(Said), Said, "shortage(S)", Answers),
        (   Answers = [Shortage0|_]
        ->  (   memberchk(Shortage0, [reduce, refuse])
            ->  Shortage = Shortage0
            ;   bad(Name, "shortage(S) gives ~q, neither reduce nor refuse", [Shortage0])
            )
        ;   Shortage = refuse
        )
    ;   Shortage = refuse
    ),
    !.

%   Within this a policy has to rank all cores for a dispatcher, or to decide for all dispatchers. The most thorough
%   one of those
%   that are shipped takes 6 million for 64 dispatchers on 256 cores.

most_inferences(50000000).

%   policy_answers(+Name, :Goal, ?Template, +Called, -Answers): the answers of a policy: none, one, or two that
%   differ. Called says in
%   words what was called. Goal has been proven where there is one answer, and what it set with b_setval/2 stays.

policy_answers(Name, Goal, Template, Called, Answers) :-
    most_inferences(Most),
    copy_term(Goal-Template, Again-Fresh),
    catch(first_answer(Goal, Most, Outcome), error(Formal, Context), raised(Name, Called, error(Formal, Context))),
    (   Outcome == inference_limit_exceeded
    ->  bad(Name, "~s took more than ~D inferences", [Called, Most])
    ;   Outcome == none
    ->  Answers = []
    ;   Outcome == true,                % it left a choice point: is there another answer?
        another_answer(Again, Fresh, Template, Most, Other)
    ->  Answers = [Template, Other]
    ;   Answers = [Template]
    ).

first_answer(Goal, Most, Outcome) :-
    (   call_with_inference_limit(Goal, Most, Outcome)
    ->  true
    ;   Outcome = none
    ).

another_answer(Goal, Template, First, Most, Other) :-
    catch(call_with_inference_limit(findall(Template, limit(1, ( Goal, Template \== First )), [Other]), Most, Outcome),
          error(_, _),
          fail),
    Outcome \== inference_limit_exceeded.

raised(Name, Called, Error) :-
    message_text(Error, Text),
    bad(Name, "~s went wrong: ~s", [Called, Text]).

%   bad(+Name, +Format, +Arguments): what the policy did, for whoever has to decide in its place.

bad(Name, Format, Arguments) :-
    format(string(Text0), Format, Arguments),
    format(string(Text), "policy ~w: ~s", [Name, Text0]),
    throw(error(bad_policy(Text), _)).

%!  policy_places(+Name) is semidet.
%
%   The policy takes whole decisions.

policy_places(Name) :-
    known(Name, _, Module),
    defines(Module, place, 3).

%!  policy_place(+Name, +Dispatchers, +Cores, -Chosen:list) is det.
%
%   The policy's decision: Chosen are the cores of Dispatchers, in their order, each of Cores.
%
%   @error bad_policy(Text) if it is none

policy_place(Name, Dispatchers, Cores, Chosen) :-
    known(Name, _, Module),
    policy_answers(Name, Module:place(Dispatchers, Cores, Placement), Placement, "place/3", Answers),
    (   Answers = [Only]
    ->  maplist(place_of(Name, Only, Cores), Dispatchers, Chosen)
    ;   Answers == []
    ->  bad(Name, "place/3 fails", [])
    ;   bad(Name, "place/3 gives two answers", [])
    ).

place_of(Name, Placement, Cores, Dispatcher, Core) :-
    (   is_list(Placement),
        ground(Placement),
        forall(member(Each, Placement), Each = _-_)
    ->  findall(Each, member(Dispatcher-Each, Placement), Found0),
        sort(Found0, Found),
        (   Found = [Core]
        ->  (   memberchk(Core, Cores)
            ->  true
            ;   bad(Name, "place/3 has dispatcher ~w on ~q, which is none of the cores that it may have", [Dispatcher, Core])
            )
        ;   Found == []
        ->  bad(Name, "place/3 gives dispatcher ~w no core", [Dispatcher])
        ;   atomic_list_concat(Found, ' and ', Text),
            bad(Name, "place/3 gives dispatcher ~w the cores ~w", [Dispatcher, Text])
        )
    ;   bad(Name, "place/3 gives no list of Dispatcher-Core", [])
    ).

%!  policy_refusal(+Name, +Dispatcher, -Why:string) is semidet.
%
%   The policy means it that no core is to be had for Dispatcher, and says Why by refusal(Dispatcher, Why). Fails where
%   it has no such predicate, or that fails: then it has come to no decision.

policy_refusal(Name, Dispatcher, Why) :-
    must_be_known(Name, Module),
    defines(Module, refusal, 2),
    format(string(Called), "refusal(~w, Why)", [Dispatcher]),
    policy_answers(Name, Module:refusal(Dispatcher, Why0), Why0, Called, Answers),
    (   Answers = [One],
        ( string(One) ; atom(One) )
    ->  format(string(Why), "~w", [One])
    ;   Answers = [_|_]
    ->  bad(Name, "~s gives no text", [Called])
    ).

%!  policy_slack(+Name, +Dispatchers:integer, -Weights:list, -Warning:string) is det.
%
%   Weights has a Dispatcher-Weight for each of so many that the policy lets share what real time leaves, by
%   slack(Dispatcher, Weight). Of a policy that gives no sensible answer nobody does, as of the default one, and
%   Warning says why.

policy_slack(Name, Dispatchers, Weights, Warning) :-
    catch(( slack_weights(Name, Dispatchers, Weights), Warning = "" ),
          error(bad_policy(Text), _),
          ( Weights = [], string_concat(Text, "; nobody gets slack", Warning) )).

slack_weights(Name, Dispatchers, Weights) :-
    must_be_known(Name, Module),
    Last is Dispatchers - 1,
    (   defines(Module, slack, 2)
    ->  numlist(0, Last, All),
        foldl(slack_weight(Name, Module), All, Weights0, []),
        Weights = Weights0
    ;   Weights = []
    ).

slack_weight(Name, Module, Dispatcher, Weights, Rest) :-
    format(string(Called), "slack(~w, Weight)", [Dispatcher]),
    policy_answers(Name, Module:slack(Dispatcher, Weight), Weight, Called, Answers),
    (   Answers == []
    ->  Weights = Rest
    ;   Answers = [One],
        integer(One), One >= 1, One =< 1000000
    ->  Weights = [Dispatcher-One|Rest]
    ;   Answers = [One]
    ->  bad(Name, "~s gives ~q, no weight from 1 to 1,000,000", [Called, One])
    ;   Answers = [One, Two],
        bad(Name, "~s gives ~q and ~q", [Called, One, Two])
    ).

%!  ranking(+Name, +Dispatcher, +Cores, -Ranking) is det.
%
%   Ranking is a list of Cost-Core, cheapest first and by number among equals, of those Cores that the
%   policy does not forbid to Dispatcher.

ranking(Name, Dispatcher, Cores, Ranking) :-
    known(Name, _, Module),
    (   defines(Module, cost, 3)
    ->  most_inferences(Most),
        catch(call_with_inference_limit(costs(Cores, Name, Module, Dispatcher, Ranking0), Most, Outcome),
              error(Formal, Context),
              cost_error(Name, Dispatcher, error(Formal, Context))),
        (   Outcome == inference_limit_exceeded
        ->  bad(Name, "cost(~w, Core, Cost) took more than ~D inferences", [Dispatcher, Most])
        ;   true
        )
    ;   Ranking0 = []
    ),
    sort(Ranking0, Ranking).

cost_error(_, _, error(bad_policy(Text), Context)) :-
    !,
    throw(error(bad_policy(Text), Context)).
cost_error(Name, Dispatcher, Error) :-
    format(string(Called), "cost(~w, Core, Cost)", [Dispatcher]),
    raised(Name, Called, Error).

costs([], _, _, _, []).
costs([Core|Cores], Name, Module, Dispatcher, Ranking) :-
    findall(Cost, limit(2, call(Module:cost, Dispatcher, Core, Cost)), Costs),
    (   Costs == []
    ->  Ranking = Rest
    ;   Costs = [Cost0|Others],
        must_be_cost(Cost0, Name, Dispatcher, Core),
        (   ( Others == [] ; Others == [Cost0] )
        ->  true
        ;   Others = [Other],
            bad(Name, "cost(~w, ~w, Cost) gives ~q and ~q", [Dispatcher, Core, Cost0, Other])
        ),
        Cost is float(Cost0),
        Ranking = [Cost-Core|Rest]
    ),
    costs(Cores, Name, Module, Dispatcher, Rest).

must_be_cost(Cost, Name, Dispatcher, Core) :-
    (   number(Cost),
        Cost =:= Cost                   % which NaN is not
    ->  true
    ;   bad(Name, "cost(~w, ~w, Cost) gives ~q, no number", [Dispatcher, Core, Cost])
    ).

defines(Module, Name, Arity) :-
    functor(Head, Name, Arity),
    predicate_property(Module:Head, number_of_clauses(_)),
    \+ predicate_property(Module:Head, imported_from(_)).

%!  load_shipped is det.
%
%   The policies of rules/policies are known.

load_shipped :-
    shipped_folder(Folder),
    atom_concat(Folder, '/*.pl', Pattern),
    expand_file_name(Pattern, Files),
    forall(member(File, Files), load_policy(File, _)).

:- multifile prolog:error_message//1.

prolog:error_message(policy_error(Text)) -->
    [ '~w'-[Text] ].
prolog:error_message(bad_policy(Text)) -->
    [ '~w'-[Text] ].
