:- encoding(utf8).
:- use_module('../../rules/records').
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(apply)).

:- begin_tests(records, [setup(no_records_left), cleanup(no_records_left)]).

%   done(+Operation, -Outcome): what the user's Operation comes to, notices apart.

done(Operation, Outcome) :-
    operate(Operation, 0, Outcome, _).

set(Text) :-
    done(set(Text, plain, any), Outcome),
    Outcome = record(_, _, _, _).

found(Query, Names) :-
    done(get_names(Query), names(Names)).

noticed(Operation, Events) :-
    noticed(Operation, 0, Events).
noticed(Operation, Owner, Events) :-
    operate(Operation, Owner, _, Notices),
    maplist(brief, Notices, Events).

brief(notice(Watch, _, Event, none, Over), Watch-Event-none-Over) :- !.
brief(notice(Watch, _, Event, record(Name, _, _, _), Over), Watch-Event-Name-Over).

%   -- usr/tests/octopus/d2getset.c

objects :-
    no_records_left,
    set("object1 { weight: 20 }"),
    set("object3 { attr: 'A text string.', weight: 9, fl: 12.0 }"),
    set("object4 { attr: 'Somestring', weight: 20, fl: 12.0 }"),
    set("object5 { pattern1: '123abab', pattern2: 'StringToTestRegexMatching', pattern3: '10-10-2010' }"),
    set("object6 { pattern1: '123ababc', pattern2: 'StringToTestRegexMatching', pattern3: '21-00-2900' }").

test(attributes_come_back_by_name, [setup(objects), true(Attributes == [attr="Somestring", fl=12.0, weight=20])]) :-
    done(get("object4"), record(object4, Attributes, _, _)).
test(a_query_compares, [setup(objects), true(Name == object4)]) :-
    done(get("_ { weight >= 10, fl > 11.0 }"), record(Name, _, _, _)).
test(a_query_matches_expressions, [setup(objects), true(Name == object5)]) :-
    done(get("_ { pattern1: r'^12.*ab$' }"), record(Name, _, _, _)).
test(names_of_all_that_match, [setup(objects), true(Names == [object3, object4, object5, object6])]) :-
    done(del("object1", any), _),
    found("r'^object.*'", Names).
test(any_value_will_do, [setup(objects), true(Names == [object1, object3, object4])]) :-
    found("_ { weight: _ }", Names).
test(attributes_are_conditions, [setup(objects), true(Names == [object4])]) :-
    found("_ { attr: _, weight: 20 }", Names).
test(numbers_are_compared_as_numbers, [setup(objects), true(Outcome == yes)]) :-
    done(exist("object3 { fl > 10, weight: _ }"), Outcome).
test(what_is_not_there, [setup(objects), true(Outcome == failed(no_record, "no record recordDoesNotExist"))]) :-
    done(get("recordDoesNotExist"), Outcome).
test(what_was_deleted_is_gone, [setup(objects), true(Outcome == failed(no_record, "no record object4"))]) :-
    done(del("object4", any), record(object4, _, _, _)),
    done(get("object4"), Outcome).
test(an_expression_is_no_name_to_set, true(Kind == no_record_name)) :-
    done(set("r'obj.$' { attr: 12 }", plain, any), failed(Kind, _)).
test(an_expression_is_no_name_to_delete, true(Kind == no_record_name)) :-
    done(del("r'obj.$' { attr: 12 }", any), failed(Kind, _)).
test(an_expression_finds_names, [setup(no_records_left), true(Names == [obj1])]) :-
    maplist(set, ["obj123 { attr: 12 }", "obj1 { attr: 12 }", "obj134 { attr: 12 }"]),
    found("r'^obj.$'", Names).

%   -- names and sequences

test(numbers_in_names_count_as_numbers, [setup(no_records_left), true(Names == [x, x2, x10, 'x10.1', y1])]) :-
    maplist(set, ["x10", "y1", "x2", "x10.1", "x"]),
    found("_", Names).
test(the_first_in_that_order_is_got, [setup(no_records_left), true(Name == x2)]) :-
    maplist(set, ["x10 { a: 1 }", "x2 { a: 1 }"]),
    done(get("_ { a: 1 }"), record(Name, _, _, _)).
test(numbers_of_a_sequence_are_never_given_again, [setup(no_records_left), true(Names == [x0, x1, x2])]) :-
    done(set("x", sequential, any), record(A, _, _, _)),
    done(set("x", sequential, any), record(B, _, _, _)),
    done(del("x1", any), _),
    done(set("x", sequential, any), record(C, _, _, _)),
    Names = [A, B, C].
test(a_sequence_spares_what_is_there, [setup(no_records_left), true(Name == x1)]) :-
    set("x0 { mine: true }"),
    done(set("x", sequential, any), record(Name, _, _, _)).

%   -- what == and its like hold of

matches(Given, Condition) :-
    no_records_left,
    format(string(Record), "x { a: ~w }", [Given]),
    format(string(Query), "_ { a ~w }", [Condition]),
    set(Record),
    done(exist(Query), yes).

holds("20", "== 20.0").      holds("20.0", ": 20").       holds("20", ">= 20").        holds("-1", "< -.5").
holds("foo", ": 'foo'").     holds("'foo'", "== foo").    holds("b", "> 'a'").         holds("'10'", "< '9'").
holds("true", ": true").     holds("true", "!= false").   holds("abc", ": r'b'").      holds("1", ": _").
holds("1", "!= 2").          holds("a", "!= b").          holds("9", "< 10").          holds("'b'", "<= b").
misses("20", ": '20'").      misses("20", "!= '20'").     misses("true", ": 'true'").  misses("true", "> false").
misses("20", ": r'20'").     misses("a", "> a").          misses("1", "!= 1.0").       misses("true", ": r't'").
misses("1", "!= a").         misses("'true'", "!= true").

test(a_condition_holds, [forall(holds(Given, Condition))]) :-
    matches(Given, Condition).
test(a_condition_does_not_hold, [forall(misses(Given, Condition)), fail]) :-
    matches(Given, Condition).
test(many_conditions_of_one_attribute, [setup(no_records_left), true(Names == [b])]) :-
    maplist(set, ["a { n: 1 }", "b { n: 5 }", "c { n: 9 }"]),
    found("_ { n > 1, n != 4, n < 9 }", Names).

%   -- conditional set

test(a_record_is_set_anew_as_a_whole, [setup(no_records_left), true(Attributes == [b=2])]) :-
    set("x { a: 1 }"),
    set("x { b: 2 }"),
    done(get("x"), record(_, Attributes, _, _)).
test(conditions_hold_of_the_record_as_it_was, [setup(no_records_left), true(Attributes == [n=2])]) :-
    set("x { n: 1 }"),
    done(set("x { n: 2, n == 1 }", plain, any), record(_, Attributes, _, _)).
test(a_condition_that_does_not_hold_changes_nothing, [setup(no_records_left), true(Attributes == [n=1])]) :-
    set("x { n: 1 }"),
    done(set("x { n: 2, n == 0 }", plain, any), failed(mismatch, _)),
    done(get("x"), record(_, Attributes, _, _)).
test(a_condition_wants_a_record, [setup(no_records_left), true(Kind == mismatch)]) :-
    done(set("x { n: 2, n == 0 }", plain, any), failed(Kind, _)).
test(only_a_new_one, [setup(no_records_left), true(Outcome == failed(exists, "record x exists"))]) :-
    done(set("x", plain, new), record(x, [], 0, _)),
    done(set("x", plain, new), Outcome).
test(only_one_that_exists, [setup(no_records_left), true(Outcome == failed(no_record, "no record x"))]) :-
    done(set("x", plain, existing), Outcome).
test(only_if_it_still_is_what_it_was, [setup(no_records_left), true(Kind == mismatch)]) :-
    done(set("x { n: 1 }", plain, any), record(_, _, _, First)),
    done(set("x { n: 2 }", plain, revision(First)), record(_, _, _, _)),
    set("x { n: 1 }"),
    done(set("x { n: 3 }", plain, revision(First)), failed(Kind, _)).
test(an_attribute_given_twice, true(Outcome == failed(duplicate, "attribute a is given twice"))) :-
    done(set("x { a: 1, a: 2 }", plain, any), Outcome).
test(a_condition_in_a_sequence, true(Kind == mismatch)) :-
    done(set("x { a > 1 }", sequential, any), failed(Kind, _)).
test(only_what_is_as_the_query_says_is_deleted, [setup(no_records_left), true(Outcome == failed(no_record, "no record matches x { n: 2 }"))]) :-
    set("x { n: 1 }"),
    done(del("x { n: 2 }", any), Outcome).

%   -- waiting and watching; usr/tests/octopus/d2trigger.c

test(what_is_there_need_not_be_waited_for, [setup(no_records_left), true(Name == x)]) :-
    set("x { n: 1 }"),
    done(wait_for("_ { n: _ }"), record(Name, _, _, _)).
test(the_first_that_matches_ends_the_waiting, [setup(no_records_left), true(Events == [[], [W-set-x-true], []])]) :-
    operate(wait_for("_ { n > 1 }"), 0, blocked(W), []),
    maplist(noticed, [set("x { n: 1 }", plain, any), set("x { n: 2 }", plain, any), set("x { n: 3 }", plain, any)],
            Events).
test(a_trigger_is_installed_as_the_operation_goes, [setup(no_records_left), true(Events-Later == [W-del-obj3-true]-[])]) :-
    maplist(set, ["obj1 { attr: 1 }", "obj2 { attr: 2 }", "obj3 { attr: 3 }"]),
    done(triggered(get("r'^obj.$' { attr: 3 } "), ok, [del], once), triggered(record(obj3, _, _, _), W)),
    noticed(del("obj3", any), Events),
    set("obj3 { attr: 3 }"),
    noticed(del("obj3", any), Later).
test(a_lasting_trigger_fires_until_it_is_removed, [setup(no_records_left),
      true(Events == [[W-del-obj2-false], [W-set-obj2-false], [W-removed-none-true], []])]) :-
    set("obj2 { attr: 2 }"),
    done(triggered(get("obj2"), ok, [set, del], lasting), triggered(_, W)),
    maplist(noticed, [del("obj2", any), set("obj2 { attr: 'asdf' }", plain, any), remove(W), del("obj2", any)], Events).
test(a_trigger_for_what_is_not_there, [setup(no_records_left), true(Events == [W-set-x-true])]) :-
    done(triggered(exist("x"), no_record, [set], once), triggered(no, W)),
    noticed(set("x", plain, any), Events).
test(a_trigger_for_the_other_case_is_none, [setup(no_records_left), true(W-Events == none-[])]) :-
    done(triggered(get_names("x"), ok, [set], once), triggered(names([]), W)),
    noticed(set("x", plain, any), Events).
test(setting_what_is_equal_fires, [setup(no_records_left), true(Events == [W-set-x-false])]) :-
    set("x { n: 1 }"),
    done(watch("x", [set], lasting), watching(W)),
    noticed(set("x { n: 1 }", plain, any), Events).
test(a_change_fires_each_watch_once_in_order, [setup(no_records_left), true(Watches == [A, B, C, D])]) :-
    done(watch("_ { n: 1, m: 2 }", [set, del], lasting), watching(A)),
    done(watch("x", [set], once), watching(B)),
    done(watch("r'x|y'", [set], lasting), watching(C)),
    done(watch("y", [set], lasting), watching(_)),
    done(wait_for("_ { m >= 2 }"), blocked(D)),
    noticed(set("x { n: 1, m: 2 }", plain, any), Events),
    findall(W, member(W-set-x-_, Events), Watches).
test(what_exists_and_what_comes, [setup(no_records_left),
      true(First-Then == [W-set-x2-false, W-set-x10-false]-[W-del-x2-false])]) :-
    maplist(set, ["x10", "x2", "y"]),
    operate(watch_existing("r'^x'", [set, del]), 0, watching(W), Notices),
    maplist(brief, Notices, First),
    noticed(del("x2", any), Then).
test(a_failed_set_fires_nothing, [setup(no_records_left), true(Events == [])]) :-
    set("x { n: 1 }"),
    done(watch("x", [set], lasting), watching(_)),
    noticed(set("x { n: 2, n > 7 }", plain, any), Events).
test(only_the_owner_removes_a_watch, [setup(no_records_left), true(Kind == no_watch)]) :-
    operate(watch("x", [set], lasting), 3, watching(W), _),
    operate(remove(W), 4, failed(Kind, _), _).

%   -- usr/tests/octopus/d2pubsub.c

test(messages_reach_every_subscription_that_matches, [setup(no_records_left),
      true(Messages == [C-msg_2, B-msg_4, A-msg_5, B-msg_5, D-msg_6, D-msg_7])]) :-
    maplist(subscribed, ["_ { fl: 1.01, attr: 10 }", "_ { str: r'test.txt' }", "_ { age > 9 }", "r'^msg_(6|7)$'"],
            [A, B, C, D]),
    maplist(published,
            [ "msg_1 { age: 9 }", "msg_2 { age: 10 }", "msg_3 { str: 123, age: '8' }", "msg_4 { str: 'test.txt' }",
              "msg_5 { str: 'test.txt', attr: 10, fl: 1.01 }", "msg_6 { type: 'test', pattern: '123123' }",
              "msg_7 { type: 'test' }"
            ],
            Each),
    append(Each, All),
    findall(Watch-Name, member(Watch-publish-Name-false, All), Messages).
test(what_is_published_is_not_kept, [setup(no_records_left), true(Names == [])]) :-
    subscribed("_", _),
    published("x { n: 1 }", [_]),
    found("_", Names).
test(a_subscription_hears_of_no_settings, [setup(no_records_left), true(Events == [])]) :-
    subscribed("_", _),
    noticed(set("x", plain, any), Events).
test(a_message_needs_a_name, true(Kind == no_record_name)) :-
    done(publish("_ { n: 1 }"), failed(Kind, _)).
test(a_message_has_no_conditions, true(Kind == mismatch)) :-
    done(publish("x { n > 1 }"), failed(Kind, _)).

subscribed(Query, Watch) :-
    done(subscribe(Query), watching(Watch)).

published(Message, Events) :-
    noticed(publish(Message), Events).

%   -- leases

test(what_a_domain_set_goes_with_it, [setup(no_records_left), true(Died-Left == [y, x]-[z])]) :-
    operate(set("y", plain, any), 7, _, _),
    operate(set("x", plain, any), 7, _, _),
    operate(set("z", plain, any), 7, _, _),
    operate(set("z", plain, any), 8, _, _),
    operate(owner_died, 7, died(Died), _),
    found("_", Left).
test(others_see_it_go, [setup(no_records_left), true(Events == [W-del-x-true])]) :-
    operate(set("x", plain, any), 7, _, _),
    done(watch("x", [del], once), watching(W)),
    noticed(owner_died, 7, Events).
test(the_dead_are_told_nothing, [setup(no_records_left), true(Events == [])]) :-
    operate(wait_for("x"), 7, blocked(_), _),
    operate(subscribe("_"), 7, _, _),
    operate(owner_died, 7, _, _),
    noticed(set("x", plain, any), Events).

%   -- what goals see

test(a_goal_sees_records, [setup(objects), true(Names == [object4])]) :-
    findall(Name, ( record(Name, Attributes), memberchk(weight=20, Attributes), memberchk(fl=_, Attributes) ), Names).
test(a_goal_sees_attributes, [setup(objects), all(Name-Value == [object1-20, object3-9, object4-20])]) :-
    record_attribute(Name, weight, Value).
test(a_goal_asks_by_value, [setup(objects), all(Name == [object1, object4])]) :-
    record_attribute(Name, weight, 20).
test(a_name_is_found_at_once) :-
    no_records_left,
    forall(between(1, 5000, N), ( format(string(Text), "x~d { n: ~d }", [N, N]), set(Text) )),
    forall(member(Goal, [get("x4711"), get("_ { n: 4711 }"), set("x4711 { n: 4712 }", plain, any), del("x12", any)]),
           ( call_with_inference_limit(done(Goal, _), 2000, Limit), Limit \== inference_limit_exceeded )).

:- end_tests(records).
