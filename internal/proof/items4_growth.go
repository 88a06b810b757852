package main

import "time"

// issue4Growth is the item of issue 4 on work that must not grow with the tables.
var issue4Growth = []item{
	{"4.10", "the floors of 3.2; an event costs the same at the end of a log, for awkward histories too; facts of shuffled times", []step{
		besideRivals,
		bench([]string{"growth"},
			atMost("growth/unborn", 1.5, 0),
			atMost("growth/deleted", 1.5, 0),
			atMost("growth/one_source", 1.5, 0),
			atMost("growth/reversed", 1.5, 0),
			atMost("growth/shuffled", 1.5, 0),
			atMost("growth/facts_shuffled", 4, 0),
		),
		tests(testRun{pkg: "./internal/hot", tests: []string{"TestDependentsOfManySources"}, limit: 5 * time.Minute}),
		tests(testRun{pkg: "./projections/engine", tests: []string{"TestWhatDidNotVisiblyChangeFansOutToNobody", "TestABatchReadsAsMuchOfALargeTable"}, limit: 5 * time.Minute}),
	}},
}
