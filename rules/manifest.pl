:- encoding(utf8).
:- module(manifest,
          [ parse_manifest/2,           % +Text, -Groups
            submit/3,                   % +Core, +Text, -Id
            submit/4,                   % +Core, +Text, -Id, -Groups
            group_members/3,            % +Groups, +Dispatchers, -Memberships
            phase_count/2,              % +Groups, -Count
            ms_text/2                   % +Nanoseconds, -Text
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(aggregate)).
:- use_module(library(dcg/basics), [string_without//2, remainder//1, digits//1]).
:- use_module(store).

/** <module> Scheduler manifests

A manifest tells the scheduler what the dispatchers of a domain need in each phase of its execution
(dissertation §3.5.5), as text of one phase a line:

    # comment
    B 1                 best effort, weight
    H 80 160 80 480     hard real time: WCET, period, deadline, release, in ms
    G 80 160 80         as H, gang scheduled
    S 10 40             soft real time: WCET and period, in ms
    group NAME [0-3,7]  the phases that follow are those of another dispatcher group

The deadline is the period where it is omitted, and the release is `auto` where it is: the system picks it.
`group` may tell the numbers of its dispatchers; groups that do not share the remaining ones evenly, in
order. Phases before any `group` line are of the group `main`. Times become integer nanoseconds:

    best_effort(Weight)  hard(Wcet, Period, Deadline, Release)  gang(...), as hard  soft(Wcet, Period)
*/

%!  parse_manifest(+Text, -Groups) is det.
%
%   Groups is the list of the manifest's group(Name, Members, Phases) in order: Members is `rest` or a list
%   of dispatcher numbers, Phases the list of parameters.
%
%   @error manifest_error(Line, Column, Text)

parse_manifest(Text, Groups) :-
    text_codes(Text, Codes),
    phrase(source_lines(Lines), Codes),
    parse_lines(Lines, 1, Items),
    length(Lines, LineCount),
    group_items(Items, LineCount, Groups).

text_codes(Text, Codes) :-
    string_codes(Text, Codes).

source_lines([Line|Lines]) -->
    string_without(`\n`, Line),
    (   "\n"
    ->  source_lines(Lines)
    ;   { Lines = [] }
    ).

parse_lines([], _, []).
parse_lines([Codes|Lines], Number, Items) :-
    phrase(words(1, Number, Words, End), Codes),
    (   Words == []
    ->  Items = Rest
    ;   phrase(statement(Number, End, Item), Words),
        Items = [Item|Rest]
    ),
    Next is Number + 1,
    parse_lines(Lines, Next, Rest).

%   words(+Column, +Line, -Words, -End): the words of a line, word(Column, Codes) each, and the column at
%   which the next one would be expected. A comment reaches to the end of the line.

words(Column, Line, Words, End) -->
    blank_code,
    !,
    { Next is Column + 1 },
    words(Next, Line, Words, End).
words(Column, _, [], Column) -->
    "#",
    !,
    remainder(_).
words(Column, Line, [word(Column, [Code|Codes])|Words], End) -->
    word_code(Code),
    !,
    word_codes(Codes),
    { length(Codes, Length), Next is Column + Length + 1 },
    words(Next, Line, Words, End0),
    { Words == [] -> End is Next + 1 ; End = End0 }.
words(Column, _, [], Column) --> [].

blank_code --> [Code], { memberchk(Code, [0' , 0'\t, 0'\r, 0'\f, 0'\v, 0xFEFF]) }.

word_code(Code) --> [Code], { \+ memberchk(Code, [0' , 0'\t, 0'\r, 0'\f, 0'\v, 0'#, 0xFEFF]) }.

word_codes([Code|Codes]) -->
    word_code(Code),
    !,
    word_codes(Codes).
word_codes([]) --> [].

%   statement(+Line, +End, -Item)//: what the words of a line say. Line, and End where words are missing, are
%   the place of errors.

statement(Line, End, Item) -->
    [word(Column, Codes)],
    { atom_codes(Keyword, Codes) },
    (   { memberchk(Keyword, ['B', 'H', 'G', 'S', group]) }
    ->  parameters(Keyword, at(Line, End), Column, Item),
        nothing_more(Line)
    ;   { mistake(Line, Column, "expected B, H, G, S or group, found '~s'", [Codes]) }
    ).

nothing_more(Line) -->
    (   [word(Column, Codes)]
    ->  { mistake(Line, Column, "expected the end of the line, found '~s'", [Codes]) }
    ;   []
    ).

parameters('B', At, _, phase(best_effort(Weight))) -->
    weight(At, Weight).
parameters('H', At, _, phase(hard(Wcet, Period, Deadline, Release))) -->
    periodic(At, Wcet, Period, Deadline, Release).
parameters('G', At, _, phase(gang(Wcet, Period, Deadline, Release))) -->
    periodic(At, Wcet, Period, Deadline, Release).
parameters('S', At, _, phase(soft(Wcet, Period))) -->
    wcet_and_period(At, Wcet, Period).
parameters(group, At, Column, group(Line, Column, Name, Members)) -->
    { At = at(Line, End) },
    (   [word(_, Codes)]
    ->  { atom_codes(Name, Codes) }
    ;   { mistake(Line, End, "expected the name of the group, found the end of the line", []) }
    ),
    (   [word(MembersColumn, MembersCodes)]
    ->  { dispatchers(Line, MembersColumn, MembersCodes, Members) }
    ;   { Members = rest }
    ).

periodic(At, Wcet, Period, Deadline, Release) -->
    wcet_and_period(At, Wcet, Period),
    deadline(At, Wcet, Period, Deadline),
    release(At, Release).

wcet_and_period(At, Wcet, Period) -->
    time("the WCET", At, _, Wcet),
    time("the period", At, Column, Period),
    { in_order(At, Column, "WCET", Wcet, "period", Period) }.

deadline(At, Wcet, Period, Deadline) -->
    (   more_words
    ->  time("the deadline", At, Column, Deadline),
        { in_order(At, Column, "WCET", Wcet, "deadline", Deadline),
          in_order(At, Column, "deadline", Deadline, "period", Period)
        }
    ;   { Deadline = Period }
    ).

more_words, [Word] --> [Word].

release(at(Line, _), Release) -->
    (   [word(Column, Codes)]
    ->  {   Codes == `auto`
        ->  Release = auto
        ;   nanoseconds(Line, Column, "the release in ms, or auto", Codes, Release)
        }
    ;   { Release = auto }
    ).

%   time(+What, +At, -Column, -Nanoseconds)//: a time in ms of more than 0.

time(What, at(Line, End), Column, Nanoseconds) -->
    (   [word(Column, Codes)]
    ->  { string_concat(What, " in ms", Expected),
          nanoseconds(Line, Column, Expected, Codes, Nanoseconds),
          (   Nanoseconds > 0
          ->  true
          ;   mistake(Line, Column, "~s must be more than 0 ms", [What])
          )
        }
    ;   { mistake(Line, End, "expected ~s in ms, found the end of the line", [What]) }
    ).

weight(at(Line, End), Weight) -->
    (   [word(Column, Codes)]
    ->  {   phrase(digits([Digit|Digits]), Codes)
        ->  number_codes(Weight, [Digit|Digits]),
            (   Weight > 0
            ->  true
            ;   mistake(Line, Column, "the weight must be at least 1", [])
            )
        ;   mistake(Line, Column, "expected the weight (an integer of at least 1), found '~s'", [Codes])
        }
    ;   { mistake(Line, End, "expected the weight, found the end of the line", []) }
    ).

nanoseconds(Line, Column, Expected, Codes, Nanoseconds) :-
    (   Codes = [0'-|Digits],
        phrase(milliseconds(_), Digits)
    ->  mistake(Line, Column, "expected ~s, found the negative '~s'", [Expected, Codes])
    ;   phrase(milliseconds(Nanoseconds0), Codes)
    ->  (   integer(Nanoseconds0)
        ->  Nanoseconds = Nanoseconds0
        ;   mistake(Line, Column, "times are no finer than 1 ns, found '~s'", [Codes])
        )
    ;   mistake(Line, Column, "expected ~s, found '~s'", [Expected, Codes])
    ).

%   milliseconds(-Nanoseconds)//: a decimal number of ms; `too_fine` if it is no whole number of ns.

milliseconds(Nanoseconds) -->
    digits([Digit|Digits]),
    { number_codes(Whole, [Digit|Digits]) },
    (   "."
    ->  digits([FirstDecimal|Decimals]),
        { decimals([FirstDecimal|Decimals], Part),
          (   integer(Part)
          ->  Nanoseconds is Whole * 1000000 + Part
          ;   Nanoseconds = too_fine
          )
        }
    ;   { Nanoseconds is Whole * 1000000 }
    ).

decimals(Codes, Nanoseconds) :-
    length(Codes, Length),
    number_codes(Number, Codes),
    (   Length =< 6
    ->  Nanoseconds is Number * 10 ** (6 - Length)
    ;   Scale is 10 ** (Length - 6),
        (   Number mod Scale =:= 0
        ->  Nanoseconds is Number // Scale
        ;   Nanoseconds = too_fine
        )
    ).

in_order(at(Line, _), Column, What, Value, Limit, LimitValue) :-
    (   Value =< LimitValue
    ->  true
    ;   ms_text(Value, ValueText),
        ms_text(LimitValue, LimitText),
        mistake(Line, Column, "the ~s (~s) is longer than the ~s (~s)", [What, ValueText, Limit, LimitText])
    ).

%!  ms_text(+Nanoseconds, -Text) is det.
%
%   The time in ms, without needless zeros.

ms_text(Nanoseconds, Text) :-
    Whole is Nanoseconds // 1000000,
    Part is Nanoseconds mod 1000000,
    (   Part =:= 0
    ->  format(string(Text), "~d ms", [Whole])
    ;   format(codes(Decimals0), "~|~`0t~d~6+", [Part]),
        strip_zeros(Decimals0, Decimals),
        format(string(Text), "~d.~s ms", [Whole, Decimals])
    ).

strip_zeros(Codes0, Codes) :-
    (   append(Front, `0`, Codes0)
    ->  strip_zeros(Front, Codes)
    ;   Codes = Codes0
    ).

%   dispatchers(+Line, +Column, +Codes, -Members): "0-3,7" are dispatchers 0, 1, 2, 3 and 7.

dispatchers(Line, Column, Codes, Members) :-
    (   phrase(ranges(Members0), Codes)
    ->  sort(Members0, Members)
    ;   mistake(Line, Column, "expected numbers of dispatchers such as 0-3,7, found '~s'", [Codes])
    ).

ranges(Members) -->
    range(First),
    (   ","
    ->  ranges(Others),
        { append(First, Others, Members) }
    ;   { Members = First }
    ).

range(Members) -->
    number_(From),
    (   "-"
    ->  number_(To),
        { From =< To, To - From < 65536, numlist(From, To, Members) }
    ;   { Members = [From] }
    ).

number_(Number) -->
    digits([Digit|Digits]),
    { number_codes(Number, [Digit|Digits]) }.

%   group_items(+Items, +LineCount, -Groups): phases belong to the group line before them.

group_items([], LineCount, _) :-
    mistake(LineCount, 1, "an empty manifest; expected a phase such as B 1", []).
group_items([Item|Items], LineCount, Groups) :-
    (   Item = phase(_)
    ->  collect([group(1, 1, main, rest), Item|Items], LineCount, Groups)
    ;   collect([Item|Items], LineCount, Groups)
    ),
    distinct_members(Groups, [Item|Items]).

collect([], _, []).
collect([group(Line, Column, Name, Members)|Items], LineCount, [group(Name, Members, Phases)|Groups]) :-
    leading_phases(Items, Phases, Rest),
    (   Phases = [_|_]
    ->  true
    ;   mistake(Line, Column, "group ~w has no phase; expected one such as B 1", [Name])
    ),
    (   member(group(AgainLine, AgainColumn, Name, _), Rest)
    ->  mistake(AgainLine, AgainColumn, "there is a group ~w already, in line ~w", [Name, Line])
    ;   true
    ),
    collect(Rest, LineCount, Groups).

leading_phases([phase(Parameters)|Items], [Parameters|Phases], Rest) :-
    !,
    leading_phases(Items, Phases, Rest).
leading_phases(Rest, [], Rest).

distinct_members(Groups, Items) :-
    (   append(Before, [group(Name, Members, _)|_], Groups),
        is_list(Members),
        member(group(Earlier, Others, _), Before),
        is_list(Others),
        member(Dispatcher, Members),
        memberchk(Dispatcher, Others)
    ->  memberchk(group(Line, Column, Name, _), Items),
        mistake(Line, Column, "dispatcher ~w is in group ~w already", [Dispatcher, Earlier])
    ;   true
    ).

mistake(Line, Column, Format, Arguments) :-
    format(string(Text), Format, Arguments),
    throw(error(manifest_error(Line, Column, Text), _)).

%!  group_members(+Groups, +Dispatchers, -Memberships) is det.
%
%   Memberships is a list of Name-Members, the dispatchers of each group in order, of a domain of so
%   many Dispatchers. Groups that name theirs get them (those that there are); the others share the
%   rest evenly, in order, the first ones one more where it does not divide.

group_members(Groups, Dispatchers, Memberships) :-
    Last is Dispatchers - 1,
    ( Last >= 0 -> numlist(0, Last, All) ; All = [] ),
    findall(Each, ( member(group(_, Named, _), Groups), is_list(Named), member(Each, Named) ), Taken),
    subtract(All, Taken, Free),
    aggregate_all(count, member(group(_, rest, _), Groups), Sharers),
    length(Free, FreeCount),
    share(Groups, All, Free, FreeCount, Sharers, Memberships).

share([], _, _, _, _, []).
share([group(Name, rest, _)|Groups], All, Free, FreeCount, Sharers, [Name-Members|Memberships]) :-
    !,
    Size is (FreeCount + Sharers - 1) // Sharers,
    length(Members, Size),
    append(Members, Free1, Free),
    FreeCount1 is FreeCount - Size,
    Sharers1 is Sharers - 1,
    share(Groups, All, Free1, FreeCount1, Sharers1, Memberships).
share([group(Name, Named, _)|Groups], All, Free, FreeCount, Sharers, [Name-Members|Memberships]) :-
    intersection(Named, All, Members),
    share(Groups, All, Free, FreeCount, Sharers, Memberships).

%!  phase_count(+Groups, -Count) is det.
%
%   A domain of these groups has so many phases. A group with fewer stays in its last.

phase_count(Groups, Count) :-
    aggregate_all(max(Length), ( member(group(_, _, Phases), Groups), length(Phases, Length) ), Count).

%!  submit(+Core, +Text, -Id) is det.
%
%   The manifest Text is submitted on Core (Barrelfish's rsrc_manifest): manifest/1, manifest_group/3 and
%   manifest_phase/4 know it by Id, which is Core << 16 \/ Index.
%
%   @error manifest_error(Line, Column, Text)

submit(Core, Text, Id) :-
    submit(Core, Text, Id, _).

%!  submit(+Core, +Text, -Id, -Groups) is det.
%
%   As submit/3; Groups as in parse_manifest/2.

submit(Core, Text, Id, Groups) :-
    parse_manifest(Text, Groups),
    First is Core << 16,
    aggregate_all(max(Each), ( Each = First ; used(First, Each) ), Newest),
    (   \+ facts:manifest(First)
    ->  Id = First
    ;   Newest < First \/ 0xffff
    ->  Id is Newest + 1
    ;   first_free(First, Id)
    ),
    findall(manifest_group(Id, Name, Members), member(group(Name, Members, _), Groups), GroupFacts),
    findall(manifest_phase(Id, Phase, Name, Parameters),
            ( member(group(Name, _, Phases), Groups), nth0(Phase, Phases, Parameters) ),
            PhaseFacts),
    append([[manifest(Id)], GroupFacts, PhaseFacts], Facts),
    load_facts(placement, Facts).

used(First, Id) :-
    facts:manifest(Id),
    Id > First,
    Id =< First \/ 0xffff.

first_free(Id0, Id) :-
    (   facts:manifest(Id0)
    ->  Id1 is Id0 + 1,
        first_free(Id1, Id)
    ;   Id = Id0
    ).

:- multifile prolog:error_message//1.

prolog:error_message(manifest_error(Line, Column, Text)) -->
    [ '~w:~w: ~w'-[Line, Column, Text] ].
