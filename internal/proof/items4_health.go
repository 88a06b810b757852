package main

import (
	"regexp"
	"time"
)

// issue4Health are the items of issue 4 on what the read side says of itself.
var issue4Health = []item{
	{"4.5", "a truth table: 14 faults × status, freshness, readiness and metrics: all agree within 2 s after the lease ends, and name the cause", []step{
		tests(testRun{pkg: "./cmd/readside", tests: []string{"TestTruthTable"}, args: []string{"-truth-all", "-truth-bound", "2s"},
			figure: regexp.MustCompile(`truth: `), limit: 30 * time.Minute}),
		tests(testRun{pkg: "./projections/control", tests: []string{"TestJudge"}}),
		tests(testRun{pkg: "./internal/status", tests: []string{"TestRatesOfBatchesDoNotJump", "TestRatesOfWhatStandsStillOrWasIdle"}}),
	}},
}
