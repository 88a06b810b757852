package main

import "regexp"

// issue4Bounds is the item of issue 4 on legal input of any size.
var issue4Bounds = []item{
	{"4.9", "80,000 keys in one event in 2 s; 10,000 waiting events of 1 MB within the budget; a batch of over 1 GiB; 60 KB of faults refused in 50 ms", []step{
		full("TestOneEventOfManyKeys", `visible`),
		full("TestWaitingEventsStayWithinMemory", `are held`),
		full("TestBatchOfLargeRows", ""),
		tests(testRun{pkg: "./projections/engine", tests: []string{"TestRowOverTheBoundParks"}}),
		tests(testRun{pkg: "./projections", tests: []string{"TestDistinctKeysOfALargeEvent"}}),
		tests(testRun{pkg: "./queryapi/guard", tests: []string{"TestWorkGrowsWithTheDocument"}, args: atOnce}),
	}},
}

// full runs one test of limits at full size, alone: others would share its seconds.
func full(test, figure string) step {
	run := testRun{pkg: "./projections/engine", tests: []string{test}, args: []string{"-full"}}
	if figure != "" {
		run.figure = regexp.MustCompile(figure)
	}
	return tests(run)
}
