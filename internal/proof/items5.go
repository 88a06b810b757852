package main

// issue5 are the items of issue 5.
var issue5 = []item{
	{"5.1", "ten minutes as a new user, in a fresh clone without caches: a module of their own, tested, run, asked, operated", []step{newUser}},
	{"5.2", "every command of the help works for another domain, under its own name", []step{
		tests(testRun{module: "examples/conference", pkg: ".", tests: []string{"TestEveryCommandServesThisDomain", "TestAProgramWithoutStoresPromisesNone"}}),
	}},
	{"5.8", "a program that only has views carries no broker's client and no embedded stores", []step{dependencies}},
}
