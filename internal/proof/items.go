package main

import (
	"regexp"
	"slices"
)

// atOnce is the bound of item 2.10.
var atOnce = []string{"-refusal-max", "50ms"}

// items are those of the issues' "It must show".
var items = slices.Concat(issue2, issue3, issue4Trust, issue4Engine, issue4Health, issue4Ground, issue4Failover, issue4Checks, issue4Bounds, issue4Growth, issue5)

var issue2 = []item{
	{"2.1", "empty caches: make demo and make test set up and work; the second run needs no network", []step{freshMachine}},
	{"2.2", "demo for 20 s: 20,000 events by commands over HTTP, every type, all lag 0, verified", []step{
		demo,
		tests(testRun{pkg: ".", tests: []string{"TestArchitecture"}}),
	}},
	{"2.3", "seven cases, three wrong ways to read a log and ours", []step{
		tests(testRun{pkg: "./eventlog", tests: []string{"TestReadingRules"}, figure: regexp.MustCompile(`(pass|FAIL:.*)\s*$|^\s*case\s`)}),
	}},
	{"2.4", "workers killed under load: views and cold tables exact, 20 seeds", []step{
		tests(testRun{pkg: "./internal/exact", tests: []string{"TestExactUnderKills"}, args: []string{"-seed", "{seed}", "-runs", "20", "-events", "5000"},
			figure: regexp.MustCompile(`seed \d+: .*exact`)}),
	}},
	{"2.5", "every mutant is killed by the test that it names", []step{mutants()}},
	{"2.6", "home is one round trip with data of four services; the README's queries run", []step{
		tests(testRun{pkg: "./queryapi", tests: []string{"TestAnOperationIsOneRoundTrip"}}),
		tests(testRun{pkg: "./queryapi/shop", tests: []string{"TestHomeIsOneRoundTrip"}}),
		tests(testRun{pkg: "./queryapi/shop", tests: []string{"TestReadmeQueries", "TestReadmeAnalystsQuestions"}}),
	}},
	{"2.7", "a damaged row: verify names it, rebuild mends it, readers notice nothing", []step{
		tests(testRun{pkg: "./projections/engine", tests: []string{"TestVerifyNamesADamagedRowAndRebuildMendsIt", "TestReadersSeeNothingOfARebuild"}}),
		tests(testRun{pkg: "./queryapi", tests: []string{"TestASwitchShowsNoReaderAnErrorOrAnEmptyView"}}),
		tests(testRun{pkg: "./cmd/readside", tests: []string{"TestAnOperatorsDay"}}),
	}},
	{"2.8", "bench catchup: at least 30 times the naive handler", []step{bench([]string{"catchup"}, atLeast("catchup/watermill", 30, 0))}},
	{"2.9", "another domain in one file of at most 60 lines, through the same engine", []step{
		tests(testRun{module: "examples/conference", pkg: ".", tests: []string{"TestOneSmallFile", "TestWithoutADatabase", "TestThroughTheEngine"}}),
	}},
	{"2.10", "attacks on the query API end in 50 ms with an error, and the process lives", []step{
		tests(testRun{pkg: "./queryapi/guard", tests: []string{"TestAttacksAreRefusedAtOnce"}, args: atOnce, figure: regexp.MustCompile(`refused after`)}),
		tests(testRun{pkg: "./queryapi", tests: []string{"TestAttacksOverHTTP"}, args: atOnce, figure: regexp.MustCompile(`refused after`)}),
	}},
}
