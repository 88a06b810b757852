package main

import (
	"regexp"
	"time"
)

// drill is a test under load, at a rate and over a history that say something.
func drill(history string, tests ...string) testRun {
	return testRun{
		pkg: "./internal/drill", tests: tests,
		args:   []string{"-seed", "{seed}", "-rate", "1000", "-history", history, "-calm", "15s", "-changes", "1000", "-bound"},
		figure: regexp.MustCompile(`(load|row changes meanwhile|rebuilt|freshness|reader \d|a reader of|planted|deployed|rolled back)\b.*: `),
	}
}

// besideRivals holds the engine to its floors beside its rivals.
var besideRivals = bench([]string{"catchup", "rebuild", "latency"},
	atLeast("catchup/watermill", 50, 100),
	atLeast("catchup/sqlworker", 1, 1.5),
	atLeast("catchup/bulkwrite", 0.6, 0.8),
	atLeast("rebuild/insert_select", 1, 1.5),
	atLeast("rebuild/copy", 0.4, 0.6),
	atMost("latency_p50/append", 2, 1.5),
	atMost("latency_p99/append", 3, 2),
)

var issue3 = []item{
	{"3.1", "every view rebuilt at 1,000 events/s: readers see nothing of it, and p99 freshness keeps its bound; a damaged generation is refused", []step{
		tests(drill("100000", "TestRebuildOfEveryViewUnderLoad")),
		tests(drill("10000", "TestAPlantedGenerationIsRefused")),
	}},
	{"3.2", "the engine beside its rivals: catching up, rebuilding, latency", []step{besideRivals}},
	{"3.3", "a view of 5 million keys built, rebuilt and verified within GOMEMLIMIT 512 MiB", []step{
		tests(testRun{pkg: "./internal/drill", tests: []string{"TestALargeViewIsRebuiltInLittleMemory"}, args: []string{"-keys", "5000000", "-build-bytes", "0"},
			figure: regexp.MustCompile(`(log|memory): `), limit: time.Hour}),
		tests(testRun{pkg: "./projections/engine", tests: []string{"TestABuildEqualsTheFoldByBatches", "TestABuildThatIsCutOffGoesOn", "TestABuildThatIsKilledGoesOn", "TestABuildOfALowerEpochIsRefused",
			"TestFaultsOfABuildAreParked", "TestFaultsOfABuildThatIsCutOff", "TestABuildHaltsOverTheBoundOfParkedEvents"}}),
	}},
	{"3.4", "50 of 100,000 events damaged in seven ways: others are seen within a second, the damaged rows are marked, a retry makes all exact", []step{
		tests(testRun{pkg: "./internal/drill", tests: []string{"TestDamagedEventsHoldUpNobodyElse"},
			args: []string{"-seed", "{seed}", "-events", "100000", "-damaged", "50", "-probes", "200", "-bound"}, figure: regexp.MustCompile(`(damaged|marked|live|mended): `)}),
		tests(testRun{pkg: "./projections/engine", tests: []string{"TestFaultyEventIsParked", "TestRowWhoseJoinFailsIsParked", "TestParkedEventsAreFoldedInOrder", "TestRetryBesideARunningWorker"}}),
	}},
	{"3.5", "workers killed and stopped past their lease: exact, 200 seeds; the default lease taken over within a second of its end", []step{
		tests(testRun{pkg: "./internal/exact", tests: []string{"TestExactUnderKills"}, args: []string{"-seed", "{seed}", "-runs", "200", "-events", "700"},
			figure: regexp.MustCompile(`seeds \d+ to \d+: `), limit: 40 * time.Minute}),
		// The stops one after the other: what is measured is the takeover, not the queue for a core.
		tests(testRun{pkg: "./projections/engine", tests: []string{"TestAStoppedWorkerIsRelievedInTime"}, args: []string{"-takeover-ttl", "0s", "-takeover-bound", "1s", "-test.parallel", "1"},
			figure: regexp.MustCompile(`takeover of `)}),
		tests(testRun{pkg: "./projections/engine", tests: []string{"TestWorkerStoppedInACopyIsRelieved", "TestWorkerThatEndsHandsOver", "TestKilledWorkerIsRelieved",
			"TestBatchOfALowerEpochIsRefused", "TestABatchFromAnotherPlaceIsRefused"}}),
		tests(testRun{pkg: "./projections/engine", tests: []string{"TestAConnectionMayBeCutAtAnyMessage"}, args: []string{"-cut-stride", "1"},
			figure: regexp.MustCompile(`connections were cut`), limit: 60 * time.Minute}),
	}},
	{"3.6", "six mutants of this issue are killed", []step{mutants(
		"no-epoch", "park-without-the-queue", "switch-without-comparison", "cache-kept-after-a-foreign-change",
		"restored-position-accepted", "unhandled-type-holds-checkpoint",
	)}},
	{"3.7", "version 2 of a view beside version 1, then rolled back: to a running worker at once, to a stopped one with its true lag", []step{
		tests(drill("20000", "TestDeployAndRollBack")),
	}},
	{"3.8", "the story of an order is whole, and its last state is the row", []step{
		tests(testRun{pkg: "./internal/drill", tests: []string{"TestAnOrderIsExplainedFromItsFirstEventToItsRow"}, figure: regexp.MustCompile(`explain: .*\S`)}),
		tests(testRun{pkg: "./projections/explain", tests: []string{"TestTheStoriesOfTheShopEndInTheStoredRows", "TestAnEventOfAnotherRowIsToldWithItsJoin", "TestParkedAndDiscardedEventsAreTold"}}),
		tests(testRun{pkg: "./cmd/readside", tests: []string{"TestExplain"}}),
	}},
}
