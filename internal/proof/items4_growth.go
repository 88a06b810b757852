package main

import "time"

// issue4Growth is the item of issue 4 on work that must not grow with the tables.
var issue4Growth = []item{
	{"4.10", "the floors of 3.2; an event costs the same at the end of a log, for awkward histories too; facts of shuffled times", []step{
		bench([]string{"catchup", "rebuild", "latency"},
			atLeast("catchup/watermill", 50, 100),
			atLeast("catchup/sqlworker", 1, 1.5),
			atLeast("catchup/bulkwrite", 0.6, 0.8),
			atLeast("rebuild/insert_select", 1, 1.5),
			atLeast("rebuild/copy", 0.4, 0.6),
			atMost("latency_p50/append", 2, 1.5),
			atMost("latency_p99/append", 3, 2),
		),
		bench([]string{"growth"},
			atMost("growth/unborn", 1.5, 0),
			atMost("growth/deleted", 1.5, 0),
			atMost("growth/one_source", 1.5, 0),
			atMost("growth/reversed", 1.5, 0),
			atMost("growth/shuffled", 1.5, 0),
			atMost("growth/facts_shuffled", 4, 0),
		),
		tests(testRun{pkg: "./projections/hot", tests: []string{"TestDependentsOfManySources"}, limit: 5 * time.Minute}),
		tests(testRun{pkg: "./projections/engine", tests: []string{"TestWhatDidNotVisiblyChangeFansOutToNobody", "TestABatchReadsAsMuchOfALargeTable"}, limit: 5 * time.Minute}),
	}},
}
