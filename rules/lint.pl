:- encoding(utf8).
:- module(lint,
          [ check_rules/4               % +File, +Text, +Kind, -Notes
          ]).
:- use_module(library(lists)).
:- use_module(library(isub)).
:- use_module(library(sandbox), [safe_goal/1]).
:- use_module(vocabulary).
:- use_module(safety, [forbidden/1]).
:- use_module(load, []).

/** <module> What is wrong with a file of rules, before it counts

The file is read, not loaded: everything that can be said without running it is said at once, each with its line, as a
compiler does. Errors: what is no Prolog; a call to what is not there, with the nearest name or the right number of
arguments; a definition in place of the vocabulary's; a directive that does more than declare; a call that may touch
files, processes, facts or other rules' modules, or could catch the exception that stops a runaway; a policy
without a head or a decision. Warnings: a variable that occurs once, clauses of a predicate that are not together.

What only shows when a rule is called (a goal that is put together at run time) the sandbox refuses (safety.pl).
*/

%!  check_rules(+File, +Text:string, +Kind, -Notes:list) is det.
%
%   Notes are note(File, Line, Severity, Message), by line, on Text, which is what File says; Kind is `policy`, or
%   `rules`.

check_rules(File, Text, Kind, Notes) :-
    line_starts(Text, Starts),
    read_clauses(Text, Clauses, Notes0, Notes1),
    findall(PI, ( member(clause(_, Term, _), Clauses), defines(Term, PI) ), Keys0),
    sort(Keys0, Keys),
    findall(Note,
            ( member(Clause, Clauses), clause_note(Clause, Keys, Starts, Kind, Note)
            ; scattered(Clauses, Note)
            ; Kind == policy, policy_note(Clauses, Keys, Note)
            ),
            Notes1),
    sort(0, @<, Notes0, Sorted),
    findall(note(File, Line, Severity, Message),
            ( member(found(Line, Severity, Format-Arguments), Sorted),
              \+ ( Format == "no predicate ~w/~w; facts lists what there is",
                   member(found(_, _, "syntax error: ~w~w"-_), Sorted)   % it may be what could not be read
                 ),
              format(string(Message), Format, Arguments)
            ),
            Notes).

% -- reading

%   read_clauses(+Text, -Clauses, -Notes, ?Rest): Clauses are clause(Line, Term, Positions); Notes are those of
%   reading.

read_clauses(Text, Clauses, Notes, Rest) :-
    setup_call_cleanup(
        open_string(Text, In),
        read_all(In, Clauses, Notes, Rest),
        close(In)).

read_all(In, Clauses, Notes, Rest) :-
    catch(( read_term(In, Term,
                      [ subterm_positions(Positions), term_position(Place), singletons(Singletons),
                        syntax_errors(error), module(skb)
                      ]),
            Read = read
          ),
          error(syntax_error(What), Context),
          Read = syntax(What, Context)),
    (   Read = syntax(_, _)
    ->  syntax_note(Read, In, Note),
        Notes = [Note|Notes1],
        (   at_end_of_stream(In)        % nothing can follow what the end cut off
        ->  Clauses = [],
            Notes1 = Rest
        ;   read_all(In, Clauses, Notes1, Rest)
        )
    ;   Term == end_of_file
    ->  Clauses = [],
        Notes = Rest
    ;   stream_position_data(line_count, Place, Line),
        findall(found(Line, warning, "~w occurs once; write _ or _~w if that is meant"-[Name, Name]),
                ( member(Name=_, Singletons), \+ sub_atom(Name, 0, 1, _, '_') ),
                Single),
        append(Single, Notes1, Notes),
        Clauses = [clause(Line, Term, Positions)|Clauses1],
        read_all(In, Clauses1, Notes1, Rest)
    ).

syntax_note(syntax(What, Context), In, found(Line, error, "syntax error: ~w~w"-[Said, Hint])) :-
    (   nonvar(Context), Context = stream(_, Line0, _, _)
    ->  Line = Line0
    ;   nonvar(Context), Context = string(_, _)
    ->  Line = 1
    ;   line_count(In, Line)
    ),
    (   atom(What)
    ->  atomic_list_concat(Words, '_', What),
        atomic_list_concat(Words, ' ', Said)
    ;   Said = What
    ),
    (   memberchk(What, [operator_expected, end_of_clause_expected, operator_clash, end_of_file])
    ->  Hint = " (is a full stop missing before?)"
    ;   Hint = ""
    ).

%   line_starts(+Text, -Starts): Offset-Line for each line of Text, the last first.

line_starts(Text, Starts) :-
    findall(Offset, ( sub_string(Text, Before, 1, _, "\n"), Offset is Before + 1 ), Offsets),
    number_lines([0|Offsets], 1, [], Starts).

number_lines([], _, Starts, Starts).
number_lines([Offset|Offsets], Line, Starts0, Starts) :-
    Next is Line + 1,
    number_lines(Offsets, Next, [Offset-Line|Starts0], Starts).

%   line_of(+Position, +Starts, +Default, -Line)

line_of(Position, Starts, Default, Line) :-
    (   nonvar(Position),
        arg(1, Position, From),
        integer(From),
        member(Offset-Found, Starts),
        Offset =< From
    ->  Line = Found
    ;   Line = Default
    ).

% -- clauses

defines(Term, _) :- var(Term), !, fail.
defines((Head :- _), PI) :- !, defines(Head, PI).
defines((Head --> _), Name/Arity) :- !, callable(Head), functor(Head, Name, Arity0), Arity is Arity0 + 2.
defines((:- Directive), PI) :- !, nonvar(Directive), declares(Directive, PI).
defines(_:_, _) :- !, fail.
defines(Head, Name/Arity) :-
    callable(Head),
    functor(Head, Name, Arity).

declares(Directive, PI) :-
    callable(Directive),
    Directive =.. [Kind, Predicates],
    memberchk(Kind, [dynamic, discontiguous, table]),
    nonvar(Predicates),
    comma_member(PI, Predicates).

comma_member(PI, List) :- is_list(List), !, member(PI, List), ground(PI), PI = _/_.
comma_member(PI, (A, B)) :- !, ( comma_member(PI, A) ; comma_member(PI, B) ).
comma_member(Name/Arity, Name/Arity) :- atom(Name), integer(Arity), !.
comma_member(Name/Arity, Head) :- callable(Head), functor(Head, Name, Arity).

%   clause_note(+Clause, +Keys, +Starts, +Kind, -Note) is nondet.

clause_note(clause(Line, (:- Directive), _), _, _, Kind, found(Line, error, Message)) :-
    !,
    \+ harmless(Kind, Directive),
    (   nonvar(Directive), Directive = policy(_, _)
    ->  Message = "policy/2 opens a policy's file; policy load loads it"-[]
    ;   Kind == policy
    ->  Message = "a directive in a policy is policy/2, dynamic/1, discontiguous/1 or table/1"-[]
    ;   Message = "a directive in a file of rules is dynamic/1, discontiguous/1 or table/1"-[]
    ).
clause_note(clause(Line, (_ --> _), _), _, _, _, found(Line, error, Message)) :-
    !,
    Message = "rules are clauses, Head :- Body, not grammar (-->)"-[].
clause_note(clause(Line, Term, Positions), Keys, Starts, _, Note) :-
    (   Term = (Head :- Body)
    ->  (   nonvar(Positions), Positions = term_position(_, _, _, _, [_, At])
        ->  true
        ;   true
        )
    ;   Head = Term,
        Body = true
    ),
    (   head_message(Head, Message)
    ->  Note = found(Line, error, Message)
    ;   body_note(Body, At, Line, Keys, Starts, Note)
    ).

harmless(_, Directive) :-
    var(Directive),
    !,
    fail.
harmless(policy, policy(Name, Description)) :- atom(Name), string(Description).
harmless(_, encoding(_)).
harmless(_, Directive) :-
    Directive =.. [Kind, _],
    memberchk(Kind, [dynamic, discontiguous, table]).

head_message(Head, "a rule concludes something; here a variable stands where its name should"-[]) :-
    var(Head),
    !.
head_message(_:_, "rules are defined in their own module; write no module before their name"-[]) :- !.
head_message(Head, "~q is no predicate"-[Head]) :-
    \+ callable(Head),
    !.
head_message(Head, "~w/~w is the vocabulary's; a rule may use it, not define it"-[Name, Arity]) :-
    functor(Head, Name, Arity),
    declared(Name, Arity, _, _, _, _),
    !.
head_message(Head, "~w/~w is Prolog's own; choose another name"-[Name, Arity]) :-
    functor(Head, Name, Arity),
    predicate_property(system:Head, built_in),
    !.

% -- bodies

%   body_note(+Body, ?Position, +Line, +Keys, +Starts, -Note) is nondet.

body_note(Body, _, _, _, _, _) :-
    var(Body),
    !,
    fail.                               % what it is shows when it is called
body_note(Body, Position, Line, Keys, Starts, Note) :-
    nonvar(Position),
    Position = parentheses_term_position(_, _, Inner),
    !,
    body_note(Body, Inner, Line, Keys, Starts, Note).
body_note(Body, Position, Line, Keys, Starts, Note) :-
    called_within(Body, Number, Inner, Extra),
    argument_position(Number, Position, Below),
    (   Extra =:= 0
    ->  Goal = Inner
    ;   longer(Inner, Extra, Goal)
    ),
    body_note(Goal, Below, Line, Keys, Starts, Note).
body_note(Body, Position, Line, Keys, Starts, found(At, error, Message)) :-
    \+ control(Body),
    call_message(Body, Keys, Message),
    line_of(Position, Starts, Line, At).

control((_, _)).
control((_ ; _)).
control((_ -> _)).
control((_ *-> _)).
control(\+ _).
control(!).
control(_^_).

%   called_within(+Goal, -Number, -Inner, -Extra) is nondet: argument Number of Goal is called, with Extra arguments
%   more.

called_within(_^Inner, 2, Inner, 0) :- !.
called_within(Goal, Number, Inner, Extra) :-
    callable(Goal),
    predicate_property(user:Goal, meta_predicate(Meta)),
    arg(Number, Meta, Mode),
    ( integer(Mode) -> Extra = Mode ; Mode == (^) -> Extra = 0 ),
    arg(Number, Goal, Inner),
    nonvar(Inner).

argument_position(Number, Position, Below) :-
    (   nonvar(Position),
        Position = term_position(_, _, _, _, Arguments),
        nth1(Number, Arguments, Below0)
    ->  Below = Below0
    ;   true
    ).

longer(Goal, Extra, Longer) :-
    callable(Goal),
    Goal \= _>>_,
    Goal \= _:_,
    length(More, Extra),
    Goal =.. Parts0,
    append(Parts0, More, Parts),
    Longer =.. Parts.

%   call_message(+Goal, +Keys, -Message) is semidet: Goal may not be called, or cannot be.

call_message(Goal, _, "~q cannot be called"-[Goal]) :-
    \+ callable(Goal),
    !.
call_message(_:_, _, "rules call what they see; write no module before a call"-[]) :- !.
call_message(_>>_, _, _) :- !, fail.
call_message(Goal, Keys, Message) :-
    functor(Goal, Name, Arity),
    (   known(Name, Arity, Keys)
    ->  fail
    ;   forbidden(Name)
    ->  Message = "~w/~w may not be called from rules; they conclude and compute, they touch nothing"-[Name, Arity]
    ;   prolog(Name, Arity)
    ->  \+ harmless_call(Name, Arity),
        Message = "~w/~w may not be called from rules; they conclude and compute, they touch nothing"-[Name, Arity]
    ;   findall(Other, ( member(Name/Other, Keys) ; sees(Name, Other) ), Others0),
        sort(Others0, [Other|_])
    ->  Message = "no predicate ~w/~w; there is ~w"-[Name, Arity, Written],
        written(Name, Other, Written)
    ;   nearest(Name, Arity, Keys, Near)
    ->  Message = "no predicate ~w/~w; did you mean ~w?"-[Name, Arity, Near]
    ;   Message = "no predicate ~w/~w; facts lists what there is"-[Name, Arity]
    ).

known(Name, Arity, Keys) :-
    memberchk(Name/Arity, Keys),
    !.
known(Name, Arity, _) :-
    sees(Name, Arity),
    !.

%   What rules see: the vocabulary, and of a decision under way what load.pl tells.

sees(Name, Arity) :-
    declared(Name, Arity, _, _, _, _).
sees(Name, Arity) :-
    module_property(load, exports(Exports)),
    member(Name/Arity, Exports),
    \+ memberchk(Name, [begin_loads, end_loads, load_added]).

written(Name, Arity, Written) :-
    (   declared(Name, Arity, _, Args, _, _)
    ->  findall(Arg, member(Arg:_, Args), Names),
        atomic_list_concat(Names, ', ', Listed),
        format(string(Written), "~w(~w)", [Name, Listed])
    ;   format(string(Written), "~w/~w", [Name, Arity])
    ).

prolog(Name, Arity) :-
    functor(Goal, Name, Arity),
    (   predicate_property(system:Goal, defined)
    ;   predicate_property(user:Goal, defined)
    ;   predicate_property(user:Goal, autoload(_))
    ),
    !.

%   What a meta-predicate calls is looked at itself.

harmless_call(Name, Arity) :-
    functor(Goal, Name, Arity),
    (   predicate_property(user:Goal, meta_predicate(Meta)),
        arg(_, Meta, Mode),
        ( integer(Mode) ; Mode == (^) )
    ->  functor(Called, Name, Arity),
        forall(arg(Number, Meta, Each),
               ( ( integer(Each) ; Each == (^) )
               ->  arg(Number, Called, true)
               ;   true
               )),
        allowed(Called)
    ;   allowed(Goal)
    ).

allowed(Goal) :-
    catch(safe_goal(user:Goal), Error, true),
    (   var(Error)
    ->  true
    ;   Error = error(instantiation_error, _)   % it depends on what is called, which the sandbox looks at
    ).

%   nearest(+Name, +Arity, +Keys, -Near): the name most like it, the same number of arguments first.

nearest(Name, Arity, Keys, Near) :-
    findall(Likeness-(Other/OtherArity),
            ( ( member(Other/OtherArity, Keys) ; sees(Other, OtherArity) ; common(Other, OtherArity) ),
              likeness(Name, Other, Similarity),
              Similarity > 0.75,
              ( OtherArity =:= Arity -> Bonus = 0.1 ; Bonus = 0 ),
              Likeness is Similarity + Bonus
            ),
            Found0),
    sort(1, @>=, Found0, [_-Near|_]).

%   A slip of one letter counts as much in a short name as in a long one, which isub/4 does not see.

likeness(Name, Other, Similarity) :-
    isub(Name, Other, Similarity0, [zero_to_one(true)]),
    (   Similarity0 < 0.8,
        dwim_match(Name, Other)
    ->  Similarity = 0.8
    ;   Similarity = Similarity0
    ).

common(Name, Arity) :-
    member(Name/Arity,
           [ findall/3, forall/2, aggregate_all/3, member/2, memberchk/2, append/3, length/2, nth0/3, nth1/3, last/2,
             between/3, msort/2, sort/2, sort/4, sum_list/2, max_list/2, min_list/2, sumlist/2, list_to_set/2, setof/3,
             bagof/3, maplist/2, maplist/3, foldl/4, include/3, exclude/3, once/1, ignore/1, number/1, atom/1
           ]).

% -- the file as a whole

scattered(Clauses, found(Line, warning, "clauses of ~w/~w are not together; the others are above"-[Name, Arity])) :-
    findall(PI, ( member(clause(_, (:- discontiguous(Declared)), _), Clauses), comma_member(PI, Declared) ), Allowed),
    findall(PI-At, ( member(clause(At, Term, _), Clauses), Term \= (:- _), defines(Term, PI) ), Heads),
    append(Before, [PI-Line|_], Heads),
    PI = Name/Arity,
    memberchk(PI-_, Before),
    \+ last(Before, PI-_),
    \+ memberchk(PI, Allowed).

policy_note(Clauses, _, found(1, error, "a policy begins with :- policy(name, \"description\")."-[])) :-
    findall(Term, ( member(clause(_, Term, _), Clauses), Term \= (:- encoding(_)) ), Terms),
    \+ Terms = [(:- policy(_, _))|_].
policy_note(_, Keys, found(1, error, "a policy defines cost/3 or place/3~w"-[Hint])) :-
    \+ memberchk(cost/3, Keys),
    \+ memberchk(place/3, Keys),
    (   member(Name/Arity, Keys),
        member(Wanted, [cost, place]),
        isub(Name, Wanted, Similarity, [zero_to_one(true)]),
        ( Similarity > 0.6 ; Name == Wanted )
    ->  format(string(Hint), "; it has ~w/~w", [Name, Arity])
    ;   Hint = ""
    ).
