package main

import (
	"regexp"
	"time"
)

// issue4Engine are the items of issue 4 on the engine.
var issue4Engine = []item{
	{"4.3", "the simulator: 1,000,000 runs without a difference in at most 20 minutes; what A1 was is found within 10,000 runs", []step{
		tests(testRun{pkg: "./projections/internal/fold", tests: []string{"TestSimulator"}, args: []string{"-seed", "{seed}", "-sim-runs", "1000000"},
			figure: regexp.MustCompile(`simulator: `), limit: 20 * time.Minute}),
		tests(testRun{pkg: "./projections/internal/fold", tests: []string{"TestRowsOfAnUncommittedBatchStayInTheCache"}}),
		tests(testRun{pkg: "./projections/internal/own", tests: []string{"TestWhatOutlivesAnOwnership"}}),
		tests(testRun{pkg: "./projections/engine", tests: []string{"TestRowsOfAnUncommittedBatchAreKeptAfterAResume"}}),
		// By default the simulator makes 10,000 runs.
		mutants("counter-outlives-its-ownership", "counter-outlives-its-ownership-simulated"),
	}},
	{"4.4", "on real stores: drawn sets, caches and batches; workers killed, stopped and relieved, server processes killed, stores restarted, events parked, retried and given up, views, rows and facts rebuilt: views, facts and effects exact, 200 seeds", []step{
		tests(testRun{pkg: "./internal/exact", tests: []string{"TestExactUnderKills"}, args: []string{"-seed", "{seed}", "-runs", "200", "-events", "700", "-faults", "8"},
			figure: regexp.MustCompile(`seeds \d+ to \d+: `), limit: 150 * time.Minute}),
	}},
}
