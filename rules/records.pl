:- encoding(utf8).
:- module(records,
          [ operate/4,                  % +Operation, +Owner, -Outcome, -Notices
            no_records_left/0
          ]).
:- reexport(record_store, [record/2, record_attribute/3]).
:- use_module(library(lists)).
:- use_module(record_grammar).
:- use_module(record_store).
:- use_module(record_watches).
:- use_module(record_coordination).

/** <module> Octopus: records by which programs find and wait for each other

One predicate carries out every operation, all of it or nothing, in one crossing: what is looked at and what is waited
for cannot change in between. Operations are Barrelfish's (octopus.if); record_grammar.pl has the language of records
and queries. The Owner of an operation is a domain's number; 0 is the user. What a domain sets is leased to it until
another sets it: when the domain dies, owner_died takes its records, locks and watches away.
*/

%!  operate(+Operation, +Owner, -Outcome, -Notices) is det.
%
%   Outcome is what Operation, asked for by Owner, comes to; Notices are those for all who watched, in order
%   (record_watches.pl). Of an operation that cannot be done Outcome is failed(Kind, Text), and nothing is changed.
%
%   | Operation                     | Outcome                                                          |
%   |-------------------------------|------------------------------------------------------------------|
%   | get(Query)                    | the first record in natural order: record(Name, Attributes, Owner, Revision) |
%   | get_names(Query)              | names(Names), of all records that match, in natural order        |
%   | exist(Query)                  | yes or no                                                        |
%   | set(Record, Mode, If)         | the record. Mode: plain or sequential. If: any, new, existing, revision(R). Conditions in Record must hold of the record as it was |
%   | del(Record, If)               | the record that was deleted                                      |
%   | wait_for(Query)               | the first record, or blocked(Watch) and a notice `set` later     |
%   | watch(Query, Events, Life)    | watching(Watch). Events: of set, del. Life: once or lasting      |
%   | watch_existing(Query, Events) | watching(Watch), lasting, and a notice `set` of each that exists |
%   | triggered(Operation, When, Events, Life) | triggered(Outcome, Watch) if When is always, or how Operation went: ok or the failure's kind; triggered(Outcome, none) if not. Watches the query of Operation |
%   | subscribe(Query)              | watching(Watch): a notice `publish` of each record published     |
%   | publish(Record)               | delivered(Count)                                                 |
%   | remove(Watch)                 | done, and a notice `removed`: a watch, a subscription, whatever blocked |
%   | lock(Name)                    | granted(Record) or blocked(Watch)                                |
%   | unlock(Name)                  | done                                                             |
%   | enter(Name, Count)            | passed(Record) or blocked(Watch)                                 |
%   | leave(Name)                   | left or blocked(Watch)                                           |
%   | new_semaphore(Value)          | semaphore(Id)                                                    |
%   | post(Id)                      | done                                                             |
%   | acquire(Id), try_acquire(Id)  | acquired(Token), blocked(Watch); none of try_acquire             |
%   | owner_died                    | died(Names): what was leased to Owner, oldest first              |
%
%   @error record_syntax(Line, Column, Text) in a query or a record

operate(Operation, Owner, Outcome, Notices) :-
    transaction(phrase(operation(Operation, Owner, Outcome), Notices)).

operation(get(Text), _, Outcome) -->
    {   parse_query(Text, Query),
        got(Query, Text, Outcome)
    }.
operation(get_names(Text), _, names(Names)) -->
    {   parse_query(Text, Query),
        matching_names(Query, Names)
    }.
operation(exist(Text), _, Outcome) -->
    {   parse_query(Text, Query),
        (   matching(Query, _)
        ->  Outcome = yes
        ;   Outcome = no
        )
    }.
operation(set(Text, Mode, If), Owner, Outcome) -->
    { parse_query(Text, Query) },
    set(Mode, Query, If, Owner, Outcome).
operation(del(Text, If), _, Outcome) -->
    { parse_query(Text, Query) },
    del(Query, Text, If, Outcome).
operation(wait_for(Text), Owner, Outcome) -->
    {   parse_query(Text, Query),
        (   first_matching(Query, Name)
        ->  current(Name, Outcome)
        ;   watch(Query, [set], once, Owner, tell, Watch),
            Outcome = blocked(Watch)
        )
    }.
operation(watch(Text, Events, Life), Owner, watching(Watch)) -->
    {   parse_query(Text, Query),
        watch(Query, Events, Life, Owner, tell, Watch)
    }.
operation(watch_existing(Text, Events), Owner, watching(Watch)) -->
    {   parse_query(Text, Query),
        matching_names(Query, Names),
        watch(Query, Events, lasting, Owner, tell, Watch)
    },
    existing(Names, Watch, Owner).
operation(triggered(Operation, When, Events, Life), Owner, triggered(Outcome, Watch)) -->
    {   asked(Operation, Text),
        parse_query(Text, Query)
    },
    operation(Operation, Owner, Outcome),
    {   went(Outcome, How),
        ( When == always ; When == How )
    ->  watch(Query, Events, Life, Owner, tell, Watch)
    ;   Watch = none
    }.
operation(subscribe(Text), Owner, watching(Watch)) -->
    {   parse_query(Text, Query),
        watch(Query, [publish], lasting, Owner, tell, Watch)
    }.
operation(publish(Text), _, Outcome) -->
    { parse_query(Text, Query) },
    (   { unfit(Query, published, Outcome0) }
    ->  { Outcome = Outcome0 }
    ;   { Query = query(name(Name), Attributes, _) },
        publish_record(Name, Attributes, Count),
        { Outcome = delivered(Count) }
    ).
operation(remove(Watch), Owner, Outcome) -->
    (   { watched(Watch, _, _, _, Owner, Purpose) }
    ->  { unwatch(Watch) },
        notice(Watch, Owner, removed, none, true),
        called_off(Watch, Purpose),
        { Outcome = done }
    ;   { format(string(Text), "nothing is watched or waited for under number ~w", [Watch]),
          Outcome = failed(no_watch, Text)
        }
    ).
operation(lock(Text), Owner, Outcome) -->
    { bare_name(Text, Name) },
    lock(Name, Owner, Outcome).
operation(unlock(Text), Owner, Outcome) -->
    { bare_name(Text, Name) },
    unlock(Name, Owner, Outcome).
operation(enter(Text, Count), Owner, Outcome) -->
    { bare_name(Text, Name) },
    enter(Name, Count, Owner, Outcome).
operation(leave(Text), Owner, Outcome) -->
    { bare_name(Text, Name) },
    leave(Name, Owner, Outcome).
operation(new_semaphore(Value), Owner, Outcome) -->
    new_semaphore(Value, Owner, Outcome).
operation(post(Id), _, Outcome) -->
    post(Id, Outcome).
operation(acquire(Id), Owner, Outcome) -->
    acquire(Id, Owner, Outcome).
operation(try_acquire(Id), _, Outcome) -->
    try_acquire(Id, Outcome).
operation(owner_died, Owner, died(Names)) -->
    {   forall(watched(Watch, _, _, _, Owner, _), unwatch(Watch)),
        leased_to(Owner, Names)
    },
    deleted(Names).

%   -- looking

got(Query, Text, Outcome) :-
    (   first_matching(Query, Name)
    ->  current(Name, Outcome)
    ;   no_record(Query, Text, Outcome)
    ).

current(Name, record(Name, Attributes, Owner, Revision)) :-
    held(Name, Attributes, Owner, Revision).

no_record(Query, Text, failed(no_record, Said)) :-
    (   Query = query(name(Name), _, _),
        \+ held(Name, _, _, _)
    ->  format(string(Said), "no record ~w", [Name])
    ;   split_string(Text, "", " \t\r\n", [Trimmed]),
        format(string(Said), "no record matches ~w", [Trimmed])
    ).

existing([], _, _) --> [].
existing([Name|Names], Watch, Owner) -->
    { current(Name, Record) },
    notice(Watch, Owner, set, Record, false),
    existing(Names, Watch, Owner).

%   asked(+Operation, -Text): what a trigger on Operation watches.

asked(get(Text), Text).
asked(get_names(Text), Text).
asked(exist(Text), Text).
asked(set(Text, _, _), Text).
asked(del(Text, _), Text).

%   went(+Outcome, -How)

went(Outcome, How) :-
    (   Outcome = failed(Kind, _)
    ->  How = Kind
    ;   memberchk(Outcome, [no, names([])])
    ->  How = no_record
    ;   How = ok
    ).

%   -- changing

set(sequential, Query, If, Owner, Outcome) -->
    (   { unfit(Query, 'set in a sequence', Outcome0) }
    ->  { Outcome = Outcome0 }
    ;   { memberchk(If, [existing, revision(_)]) }
    ->  { Outcome = failed(mismatch, "a record set in a sequence is a new one") }
    ;   {   Query = query(name(Name), Attributes, _),
            next_in_sequence(Name, _, Numbered)
        },
        set_record(Numbered, Attributes, Owner, Outcome)
    ).
set(plain, Query, If, Owner, Outcome) -->
    (   { unfit(Query, set, Outcome0) }
    ->  { Outcome = Outcome0 }
    ;   { Query = query(name(Name), Attributes, Conditions) },
        (   { refused(If, Name, Outcome0) }
        ->  { Outcome = Outcome0 }
        ;   { unmet(Conditions, Name, Outcome0) }
        ->  { Outcome = Outcome0 }
        ;   set_record(Name, Attributes, Owner, Outcome)
        )
    ).

%   unfit(+Query, +Verb, -Outcome): what cannot be set or published.

unfit(query(NameSought, Attributes, Conditions), Verb, Outcome) :-
    (   NameSought \= name(_)
    ->  nameless(Verb, Outcome)
    ;   select(Attribute=_, Attributes, Others),
        memberchk(Attribute=_, Others)
    ->  format(string(Text), "attribute ~w is given twice", [Attribute]),
        Outcome = failed(duplicate, Text)
    ;   Verb \== set,
        Conditions = [condition(Attribute, _, _)|_]
    ->  format(string(Text), "a record that is ~w can have no condition, as ~w has", [Verb, Attribute]),
        Outcome = failed(mismatch, Text)
    ).

nameless(Verb, failed(no_record_name, Text)) :-
    format(string(Text), "a record that is ~w needs a name; _ and r'...' find records", [Verb]).

%   refused(+If, +Name, -Outcome): the record is not as If wants it.

refused(new, Name, failed(exists, Text)) :-
    held(Name, _, _, _),
    format(string(Text), "record ~w exists", [Name]).
refused(If, Name, failed(no_record, Text)) :-
    memberchk(If, [existing, revision(_)]),
    \+ held(Name, _, _, _),
    format(string(Text), "no record ~w", [Name]).
refused(revision(Wanted), Name, failed(mismatch, Text)) :-
    held(Name, _, _, Revision),
    Revision =\= Wanted,
    format(string(Text), "record ~w has changed: it is at revision ~w, not ~w", [Name, Revision, Wanted]).

unmet(Conditions, Name, failed(mismatch, Text)) :-
    Conditions \== [],
    \+ matching(query(name(Name), [], Conditions), Name),
    (   held(Name, _, _, _)
    ->  format(string(Text), "record ~w is not as its conditions want it", [Name])
    ;   format(string(Text), "no record ~w, of which its conditions could hold", [Name])
    ).

del(Query, Text, If, Outcome) -->
    (   { Query \= query(name(_), _, _) }
    ->  { nameless(deleted, Outcome) }
    ;   { Query = query(name(Name), _, _) },
        (   { refused(If, Name, Outcome0) }
        ->  { Outcome = Outcome0 }
        ;   { matching(Query, Name) }
        ->  delete_record(Name, Outcome)
        ;   { no_record(Query, Text, Outcome) }
        )
    ).

deleted([]) --> [].
deleted([Name|Names]) -->
    (   { held(Name, _, _, _) }
    ->  delete_record(Name, _)
    ;   []
    ),
    deleted(Names).

%   bare_name(+Text, -Name): the name of a lock or barrier.

bare_name(Text, Name) :-
    parse_query(Text, Query),
    (   Query = query(name(Name0), [], [])
    ->  Name = Name0
    ;   throw(error(record_syntax(1, 1, "expected a name alone (a-z first)"), _))
    ).

%!  no_records_left is det.
%
%   There are no records, watches and leases any more; all counting starts anew, as when a machine boots.

no_records_left :-
    transaction(( no_records, no_watches )).
