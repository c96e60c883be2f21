:- encoding(utf8).
:- module(apriori,
          [ load_machine/3,             % +Said, +File, +Text
            supposing_machine/4,        % +Said, +File, +Text, :Goal
            state_facts/2,              % +File, +Text
            stated/1,                   % -Lines
            read_facts/3                % +File, +Text, -Facts
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(store).

/** <module> A machine's facts, all at once: what its dumps say, and what facts.pl says a priori

A machine replaces the one before it, whole, or nothing happens.
*/

%!  load_machine(+Said:list(pair), +File, +Text) is det.
%
%   The knowledge base holds what the sources say, Said being a list of Source-Facts, and the facts in
%   Text, which is what the a priori File says; and nothing else.

load_machine(Said, File, Text) :-
    read_facts(File, Text, Placed),
    transaction(replace_machine(Said, Placed, File)).

replace_machine(Said, Placed, File) :-
    forget_machine,
    forall(member(Source-Facts, Said), load_facts(Source, Facts)),
    load_placed(Placed, File).

%!  supposing_machine(+Said:list(pair), +File, +Text, :Goal) is semidet.
%
%   Goal, the first time, of a knowledge base that holds what load_machine/3 would make it hold. The one there
%   is stays as it was.

:- meta_predicate supposing_machine(+, +, +, 0).

supposing_machine(Said, File, Text, Goal) :-
    read_facts(File, Text, Placed),
    snapshot(( replace_machine(Said, Placed, File),
               once(Goal)
             )).

%!  state_facts(+File, +Text) is det.
%
%   The user says the facts in Text, which is what File says, each in place of what the user said of its key before; all
%   of them, or an error names the line of the first that is none.

state_facts(File, Text) :-
    read_facts(File, Text, Placed),
    atomically(forall(member(Line-Fact, Placed), state(Fact, File, Line))).

state(Fact, File, Line) :-
    catch(assert_fact(Fact), Error, throw(error(in_file(File, Line, Error), _))).

%!  stated(-Lines:list(string)) is det.
%
%   What the user says, a line of text each that state_facts/2 reads, in standard order.

stated(Lines) :-
    findall(Fact, says(user, Fact), Facts0),
    sort(Facts0, Facts),
    maplist(line, Facts, Lines).

line(Fact0, Line) :-
    copy_term(Fact0, Fact),
    numbervars(Fact, 0, _),
    format(string(Line), "~W.", [Fact, [quoted(true), numbervars(true), spacing(next_argument)]]).

load_placed(Placed, File) :-
    findall(Fact, member(_-Fact, Placed), Facts),
    catch(load_facts(a_priori, Facts), Error, blame(Placed, File, Error)).

%   One of the facts was refused: which line says it?

blame(Placed, File, Error) :-
    (   member(Line-Fact, Placed),
        catch(( load_facts(a_priori, [Fact]), fail ), One, true)
    ->  throw(error(in_file(File, Line, One), _))
    ;   throw(Error)
    ).

%!  read_facts(+File, +Text, -Facts:list(pair)) is det.
%
%   Facts has a Line-Fact for each fact in Text; rules and directives are no facts.

read_facts(File, Text, Facts) :-
    setup_call_cleanup(
        open_string(Text, In),
        read_all(In, File, Facts),
        close(In)).

read_all(In, File, Facts) :-
    catch(read_term(In, Term, [module(facts), term_position(Position), syntax_errors(error)]),
          error(syntax_error(What), Context),
          syntax_in(File, What, Context)),
    (   Term == end_of_file
    ->  Facts = []
    ;   Term == (:- encoding(utf8))     % which it is
    ->  read_all(In, File, Facts)
    ;   stream_position_data(line_count, Position, Line),
        (   no_fact(Term, Why)
        ->  throw(error(in_file(File, Line, error(no_fact(Why), _)), _))
        ;   Facts = [Line-Term|Rest],
            read_all(In, File, Rest)
        )
    ).

syntax_in(File, What, Context) :-
    (   nonvar(Context), Context = stream(_, Line, _, _)
    ->  true
    ;   Line = 0
    ),
    throw(error(in_file(File, Line, error(syntax_error(What), _)), _)).

no_fact(Term, "a fact, not a variable") :- var(Term), !.
no_fact((:- _), "a fact; facts.pl has no directives") :- !.
no_fact((_ :- _), "a fact; rules are loaded with consult or policy load") :- !.
no_fact((_ --> _), "a fact; rules are loaded with consult or policy load") :- !.
no_fact(Term, "a fact") :- \+ callable(Term).

:- multifile prolog:error_message//1.

prolog:error_message(in_file(File, Line, Error)) -->
    { '$messages':translate_message(Error, Lines, []) },
    [ '~w:~w: '-[File, Line] ],
    Lines.
prolog:error_message(no_fact(Expected)) -->
    [ 'expected ~w'-[Expected] ].
