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
	{"5.8", "a program that only has views carries no broker's client and no embedded stores", []step{dependencies}},
}
