package main

import (
	"regexp"
	"time"
)

// issue5 are the items of issue 5.
var issue5 = []item{
	{"5.1", "ten minutes as a new user, in a fresh clone without caches: a module of their own, tested, run, asked, operated", []step{newUser}},
	{"5.2", "every command of the help works for another domain, under its own name", []step{
		tests(testRun{module: "examples/conference", pkg: ".", tests: []string{"TestEveryCommandServesThisDomain", "TestAProgramWithoutStoresPromisesNone"}}),
	}},
	{"5.3", "many-valued relations across streams: 1,000,000 events, every row exact through kills and a rebuild; catch-up at least half of the order view's", []step{
		tests(testRun{module: "examples/parcels", pkg: ".", tests: []string{"TestExactAtScale"}, args: []string{"-seed", "{seed}", "-events", "1000000", "-kills", "12"},
			figure: regexp.MustCompile(`parcels: seed`), limit: time.Hour}),
		relations,
	}},
	{"5.4", "what authors can model: a table of cases on real stores, each with its answer, and of definitions that are refused, each with its message", []step{
		tests(testRun{pkg: "./internal/modelling", tests: []string{"TestCases", "TestStrictCases", "TestImportCases", "TestRefusedDefinitions"}, figure: regexp.MustCompile(`modelling: `)}),
	}},
	{"5.5", "the house: arrows, sizes, statements, names; at most three rooms are larger than a room; a batch's way is one file of at most 200 lines", []step{
		tests(testRun{pkg: ".", tests: []string{"TestArchitecture", "TestArchitectureRules", "TestHouse", "TestHouseRules"}}),
		tests(testRun{pkg: ".", tests: []string{"TestRoomsHaveTheirSize"}, args: []string{"-exceptions", "3"}, figure: regexp.MustCompile(`the largest room`)}),
		tests(testRun{pkg: ".", tests: []string{"TestABatchsWayIsOneFile"}, figure: regexp.MustCompile(`a batch's way`)}),
	}},
	{"5.6", "no hit of the word list; 20 sentences for a reader's eye", []step{
		tests(testRun{pkg: ".", tests: []string{"TestWords"}}),
		tests(testRun{pkg: ".", tests: []string{"TestSentences"}, args: []string{"-sentence-seed", "{seed}"}, figure: regexp.MustCompile(`sentence: `)}),
	}},
	{"5.8", "a program that only has views carries no broker's client and no embedded stores", []step{dependencies}},
}
