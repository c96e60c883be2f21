:- encoding(utf8).
:- module(bridge,
          [ cross/7,                    % +Goal, +Bindings, +Answers, +Inferences, +Module, +Boxed, -Reply
            read_goal/4,                % +Text, +Module, -Goal, -Names
            consult_file/5              % +File, +Module, +Sandboxed, +Text, -Notes
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(readutil)).
:- use_module(library(http/json)).
:- use_module(library(isub)).
:- use_module(lint, [check_rules/4]).
:- use_module(safety, [must_be_safe/2, must_touch_nothing/2]).

/** <module> The Prolog half of the crossing between Python and Prolog (skb/engine.py is the other)

A question comes in as text and goes out as JSON text; the one predicate that is called never fails and
never raises. What the question prints is captured and handed over with the answers, and so are warnings.

The reply is a JSON array: ["ok", Answers, More, Output, Inferences] with an object a solution, or
["error", Kind, Text, Output, Inferences].
*/

:- thread_local note/4.                % File, Line, Severity, Text, while messages are collected
:- thread_local collecting/0.
:- dynamic silent/0.                    % asserted by the engine: nothing is printed past it

%!  cross(+Goal:string, +Bindings:string, +Answers:integer, +Inferences:integer, +Module:string,
%!        +Boxed:integer, -Reply:string) is det.
%
%   Reply holds the first Answers solutions (all if negative) of Goal in Module, where Bindings, a list
%   of 'Name'=Value as text, gives values to variables of Goal by name, which are no part of the solutions. If Boxed is 1, Goal must be safe: it
%   may conclude and compute, but touch no file, process or fact (safety.pl).

cross(Goal, Bindings, Answers, Inferences, Module, Boxed, Reply) :-
    retractall(collecting),
    statistics(inferences, I0),
    catch(with_output_to(string(Output),
                         answers(Goal, Bindings, Answers, Inferences, Module, Boxed, Result)),
          Ball, failed(Ball, Output, Result)),
    statistics(inferences, I1),
    Used is I1 - I0,
    catch(with_output_to(string(Reply), reply(Result, Output, Used)),
          Unwritable, unwritable(Unwritable, Used, Reply)),
    collect_atoms.

%   A collection of atoms that falls into a question makes it take some inferences more (8 were seen). As inferences are
%   simulated time, the same decision must always take as many: atoms are collected between two questions, and within
%   one only where it makes very many.

:- set_prolog_flag(agc_margin, 1000000).
:- set_prolog_gc_thread(false).

collect_atoms :-
    statistics(atoms, Atoms),
    nb_getval(atoms_left, Left),
    (   Atoms > Left + 10000
    ->  garbage_collect_atoms,
        statistics(atoms, Kept),
        nb_setval(atoms_left, Kept)
    ;   true
    ).

:- initialization(nb_setval(atoms_left, 0)).

%   An answer may hold what no text can, such as half a surrogate pair.

unwritable(Ball, Used, Reply) :-
    failed(Ball, Output, Error),
    with_output_to(string(Reply), reply(Error, Output, Used)).

failed('$aborted', "", error(cancelled, "interrupted")) :- !.
failed(unwind(abort), "", error(cancelled, "interrupted")) :- !.
failed(Ball, "", error(Kind, Text)) :-
    (   catch(error_text(Ball, Kind, Text), _, fail)
    ->  true
    ;   Kind = error,
        format(string(Text), "~p", [Ball])
    ).

answers(Text, BindingsText, Limit, Inferences, ModuleText, Boxed, Result) :-
    atom_string(Module, ModuleText),
    read_goal(Text, Module, Goal, Names),
    include(shown, Names, Asked),
    bind(BindingsText, Names, Asked, Shown),
    (   Boxed =:= 1
    ->  must_touch_nothing(Module, Goal)
    ;   true
    ),
    % one solution is the common question: it needs no findall
    (   Limit =:= 1
    ->  (   limited(once(Module:Goal), Inferences)
        ->  Result = ok([Shown], false)
        ;   Result = ok([], false)
        )
    ;   Limit < 0
    ->  limited(findall(Shown, Module:Goal, Solutions), Inferences),
        Result = ok(Solutions, false)
    ;   Most is Limit + 1,
        limited(findall(Shown, limit(Most, Module:Goal), Solutions0), Inferences),
        (   length(Solutions, Limit),
            append(Solutions, [_], Solutions0)
        ->  Result = ok(Solutions, true)
        ;   Result = ok(Solutions0, false)
        )
    ).

limited(Goal, Inferences) :-
    call_with_inference_limit(Goal, Inferences, Outcome),
    (   Outcome == inference_limit_exceeded
    ->  throw(error(bridge_limit(inferences, Inferences), _))
    ;   true
    ).

shown(Name=_) :-
    \+ sub_atom(Name, 0, _, _, '_').

%!  read_goal(+Text:string, +Module, -Goal, -Names) is det.
%
%   Text is one Goal, its variables Names (Name=Variable each), read as Module's operators say.

read_goal(Text, Module, Goal, Names) :-
    setup_call_cleanup(
        open_string(Text, In),
        (   read_term(In, Goal, [variable_names(Names), module(Module)]),
            read_term(In, Rest, [module(Module)])
        ),
        close(In)),
    (   Rest == end_of_file
    ->  true
    ;   throw(error(bridge_more_goals, _))
    ),
    (   var(Goal)
    ->  throw(error(bridge_no_goal, _))
    ;   true
    ).

%   bind(+Text, +Names, +Asked, -Shown): Shown are those of Asked to which Text gives no value.

bind("", _, Asked, Asked) :- !.
bind(Text, Names, Asked, Shown) :-
    term_string(Bindings, Text),
    maplist(bind_one(Names), Bindings),
    exclude(given(Bindings), Asked, Shown).

given(Bindings, Name=_) :-
    memberchk(Name=_, Bindings).

bind_one(Names, Name=Value) :-
    (   memberchk(Name=Variable, Names)
    ->  Variable = Value
    ;   true
    ).

%   -- replies as JSON

reply(ok(Solutions, More), Output, Used) :-
    write('["ok",['),
    solutions(Solutions),
    format('],~w,', [More]),
    string_json(Output),
    format(',~d]', [Used]).
reply(error(Kind, Text), Output, Used) :-
    format('["error","~w",', [Kind]),
    string_json(Text),
    put_char(','),
    string_json(Output),
    format(',~d]', [Used]).

solutions([]).
solutions([Solution|Solutions]) :-
    put_char('{'),
    bindings(Solution),
    put_char('}'),
    (   Solutions == []
    ->  true
    ;   put_char(','),
        solutions(Solutions)
    ).

bindings([]).
bindings([Name=Value|Bindings]) :-
    string_json(Name),
    put_char(':'),
    (   acyclic_term(Value)
    ->  value(Value)
    ;   write('{"variable":"<cyclic term>"}')
    ),
    (   Bindings == []
    ->  true
    ;   put_char(','),
        bindings(Bindings)
    ).

%   value(+Value): the JSON of a term: numbers and lists as such, atoms as strings, everything else as
%   an object with one key that says what it is.

value(Value) :- integer(Value), !, write(Value).
value(Value) :- atom(Value), !, string_json(Value).
value(Value) :- float(Value), !, float_json(Value).
value(Value) :- string(Value), !, write('{"text":'), string_json(Value), put_char('}').
value(Value) :- var(Value), !, format('{"variable":"~w"}', [Value]).
value([]) :- !, write('[]').
value(Value) :- is_list(Value), !, put_char('['), values(Value), put_char(']').
value(Value) :- compound(Value), !,
    compound_name_arguments(Value, Name, Arguments),
    write('{"compound":['),
    string_json(Name),
    write(',['),
    values(Arguments),
    write(']]}').
value(Value) :- format(string(Text), '~q', [Value]), write('{"other":'), string_json(Text), put_char('}').

values([]).
values([Value|Values]) :-
    value(Value),
    (   Values == []
    ->  true
    ;   put_char(','),
        values(Values)
    ).

float_json(Value) :-
    (   float_class(Value, Class),
        memberchk(Class, [infinite, nan])
    ->  format('{"other":"~w"}', [Value])
    ;   write(Value)
    ).

string_json(Text) :-
    json:json_write_string(current_output, Text).

%   -- errors in words

error_text(error(bridge_limit(inferences, N), _), limit, Text) :- !,
    format(string(Text), "stopped after ~D inferences; ask for less", [N]).
error_text(error(bridge_more_goals, _), syntax, "syntax error: one goal at a time") :- !.
error_text(error(bridge_no_goal, _), syntax, "syntax error: expected a goal, found a variable or nothing") :- !.
error_text(error(syntax_error(What), Context), syntax, Text) :- !,
    syntax_text(What, Context, Text).
error_text(error(existence_error(procedure, PI), _), existence, Text) :- !,
    plain(PI, Name/Arity),
    (   near(Name, Arity, Near)
    ->  format(string(Text), "no predicate ~w/~w; did you mean ~w?", [Name, Arity, Near])
    ;   format(string(Text), "no predicate ~w/~w; facts lists what there is", [Name, Arity])
    ).
error_text(error(permission_error(call, sandboxed, PI), _), permission, Text) :- !,
    plain(PI, Name/Arity),
    format(string(Text), "~w/~w may not be called from here; goals conclude and compute, they touch nothing",
           [Name, Arity]).
error_text(error(resource_error(What), _), resource, Text) :- !,
    format(string(Text), "out of ~w; the goal wants more than a question may take", [What]).
error_text(Ball, Kind, Text) :-
    (   Ball = error(Formal, _), nonvar(Formal) -> functor(Formal, Kind, _) ; Kind = error ),
    strip_stack(Ball, Bare),
    message_text(Bare, Text).

%   The stack of an error is for debuggers; and its term may be enormous.

strip_stack(error(Formal, context(Where, Message)), error(Formal, context(Where, Message))) :-
    atomic(Message), !.
strip_stack(error(Formal, Context), error(Formal, Context)) :-
    var(Context), !.
strip_stack(error(Formal, context(Where, _)), error(Formal, context(Where, _))) :- !.
strip_stack(Ball, Ball).

message_text(Ball, Text) :-
    message_to_codes(Ball, Lines),
    !,
    Text = Lines.
message_text(Ball, Text) :-
    format(string(Text), "~p", [Ball]).

message_to_codes(Ball, Text) :-
    '$messages':translate_message(Ball, Lines, []),
    with_output_to(string(Text0), print_message_lines(current_output, '', Lines)),
    split_string(Text0, "\n", " \t\r", Parts0),
    exclude(==(""), Parts0, Parts),
    Parts \== [],
    atomic_list_concat(Parts, ' ', Joined),
    first_lower(Joined, Text).

first_lower(Atom, Text) :-
    sub_atom(Atom, 0, 1, After, First),
    downcase_atom(First, Lower),
    sub_atom(Atom, 1, After, 0, Rest),
    atomic_list_concat([Lower, Rest], Atom1),
    atom_string(Atom1, Text).

syntax_text(What, Context, Text) :-
    ( atom(What) -> atomic_list_concat(Words, '_', What), atomic_list_concat(Words, ' ', Said) ; Said = What ),
    (   nonvar(Context),
        Context = stream(_, Line, Column, _)
    ->  At is Column + 1,
        format(string(Text), "syntax error: ~w, at line ~d, character ~d", [Said, Line, At])
    ;   format(string(Text), "syntax error: ~w", [Said])
    ).

%   plain(+Called, -PI): a predicate indicator without its module; library(sandbox) names the call instead.

plain(_:Called, PI) :- !, plain(Called, PI).
plain(Name/Arity, Name/Arity) :- !.
plain(Called, Name/Arity) :- functor(Called, Name, Arity).

near(Name, Arity, Near) :-
    (   current_near(Name, Other), OtherArity = Arity, visible(Other, OtherArity)
    ;   visible(Name, OtherArity), Other = Name
    ;   current_near(Name, Other), visible(Other, OtherArity)
    ),
    !,
    Near = Other/OtherArity.

current_near(Name, Other) :-
    dwim_match(Name, Other0),
    Other = Other0.
current_near(Name, Other) :-
    vocabulary:declared(Other, _, _, _, _, _),
    isub(Name, Other, Similarity, [zero_to_one(true)]),
    Similarity > 0.8.

visible(Name, Arity) :-
    vocabulary:declared(Name, Arity, _, _, _, _).

%   -- loading files

%!  consult_file(+File, +Module, +Sandboxed, +Text, -Notes) is det.
%
%   Load Text, which is what File says, into Module; Notes is a list of note(File, Line, Severity, Text) of everything
%   that is wrong with it. Of a file that is Sandboxed nothing is loaded if there is an error in it.

consult_file(File, Module, Sandboxed, Text, Notes) :-
    (   Sandboxed == true
    ->  check_rules(File, Text, rules, Notes0),
        (   memberchk(note(_, _, error, _), Notes0)
        ->  Notes = Notes0
        ;   trial(File, Text, Trial),
            memberchk(note(_, _, error, _), Trial)
        ->  append(Notes0, Trial, Notes)
        ;   load_text(File, Module, Sandboxed, Text, _),
            set_module(Module:program_space(20000000)),
            Notes = Notes0
        )
    ;   load_text(File, Module, Sandboxed, Text, Notes)
    ).

load_text(File, Module, Sandboxed, Text, Notes) :-
    retractall(note(_, _, _, _)),
    visible_from_goals(Module),
    setup_call_cleanup(
        ( open_string(Text, In), assertz(collecting) ),
        catch(load_files(Module:File, [stream(In), sandboxed(Sandboxed), silent(true)]),
              Ball, print_message(error, Ball)),
        ( retractall(collecting), close(In) )),
    findall(note(F, L, S, T), retract(note(F, L, S, T)), Notes).

%   trial(+File, +Text, -Errors): what the sandbox says of Text once it is loaded, somewhere else.

trial(File, Text, Errors) :-
    Module = trial_of_rules,
    setup_call_cleanup(
        load_text(Module, Module, true, Text, Notes),
        findall(note(File, Line, error, Said), unsafe(Module, Line, Said), Unsafe),
        ( unload_file(Module), delete_import_module(skb, Module) )),
    findall(note(File, Line, error, Said), member(note(_, Line, error, Said), Notes), Wrong),
    append(Wrong, Unsafe, Errors).

unsafe(Module, Line, Said) :-
    predicate_property(Module:Head, number_of_clauses(_)),
    \+ predicate_property(Module:Head, imported_from(_)),
    catch(( must_be_safe(Module, [Head]), fail ), Ball, true),
    (   predicate_property(Module:Head, line_count(Line0))
    ->  Line = Line0
    ;   Line = 1
    ),
    error_text(Ball, _, Said).

:- multifile user:message_hook/3.

user:message_hook(Term, Kind, Lines) :-
    bridge:hooked(Term, Kind, Lines).

hooked(Term, Kind, Lines) :-
    memberchk(Kind, [error, warning]),
    (   collecting
    ->  place(Term, File, Line),
        with_output_to(string(Text0), print_message_lines(current_output, '', Lines)),
        split_string(Text0, "\n", " \t\r", Parts0),
        exclude(==(""), Parts0, Parts),
        atomic_list_concat(Parts, ' ', Text),
        assertz(note(File, Line, Kind, Text))
    ;   silent
    ).

%   A module of rules sees what goals see, and goals see what it defines.

visible_from_goals(Module) :-
    (   import_module(skb, Module)
    ->  true
    ;   forall(import_module(Module, Default), delete_import_module(Module, Default)),
        forall(import_module(skb, Default), add_import_module(Module, Default, end)),
        add_import_module(skb, Module, start)
    ).

place(error(_, file(File, Line, _, _)), File, Line) :- !.
place(_, File, Line) :- source_location(File, Line), !.
place(_, '', 0).
