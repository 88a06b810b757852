package main

import (
	"regexp"
	"time"
)

// issue4Trust are the items of issue 4 on the cases that failed, their mutants, and what
// the stores give away.
var issue4Trust = []item{
	{"4.1", "every input that failed when the product was tried from outside is a test, and passes", []step{
		tests(testRun{pkg: "./cmd/readside", tests: []string{"TestCases", "TestCaseOfICUNames", "TestCaseOfAServerInKolkata"}, figure: regexp.MustCompile(`case \S+: `)}),
		// c01, c04, c05; c02 is item 4.10.
		tests(testRun{pkg: "./internal/embedded/clickhousehttp", tests: []string{"TestReadersReachNothingOutside", "TestTheWriterReachesNothingOutsideEither", "TestLimitsHold", "TestOnlyUsersOfThisMachineAsk"}}),
		tests(testRun{pkg: "./projections/cold", tests: []string{"TestAQuerySeesOneGeneration", "TestABatchIsSeenWhole", "TestReadersThroughManyRebuilds", "TestACrowdOfReadersHoldsNobodyUp"}}),
		// The tests of the folder engine.
		tests(testRun{pkg: "./eventlog", tests: []string{"TestAPreparedTransactionIsWaitedForOverAKilledBackend", "TestEventsThatACrashLostHideNoLaterOnes"}}),
		tests(testRun{pkg: "./projections/engine", tests: []string{"TestRowsOfAnUncommittedBatchAreKeptAfterAResume", "TestEveryChangeOfRowsFansOut", "TestBatchOfLargeRows",
			"TestWaitingEventsStayWithinMemory", "TestADatabasesDefaultsChangeNothing"}}),
	}},
	{"4.2", "lost updates, killed backends, rebuilt sources, parked facts, work that grew, generations mixed: each mutant is killed", []step{mutants(
		"counter-outlives-its-ownership",
		"life-of-the-postmaster", "settled-beyond-the-end", "proof-outlives-its-server", "settled-on-any-connection",
		"handover-without-fan-out",
		"faulty-fact-dropped", "retried-fact-counted-twice",
		"unborn-source-fans-out", "facts-in-small-blocks",
		"mart-mixes-generations", "batch-seen-in-half", "rebuild-stops-the-mart",
	)}},
	{"4.11", "nothing outside a store is reached through it; 200 endless and 200 non-reading readers hold nobody up", []step{
		tests(testRun{pkg: "./internal/embedded/clickhousehttp", tests: []string{"TestReadersReachNothingOutside", "TestTheWriterReachesNothingOutsideEither", "TestReadersMayRead",
			"TestLimitsHold", "TestOnlyUsersOfThisMachineAsk", "TestBodiesAreBounded", "TestEveryUserHasPlacesOfItsOwn"}}),
		tests(testRun{pkg: "./internal/embedded", tests: []string{"TestPostgresWantsAPassword", "TestPostgresGivesItsSecretToNobody", "TestPostgresOwnsOnlyItsCluster"}}),
		tests(testRun{pkg: "./internal/service", tests: []string{"TestOtherSitesReachNoServiceOfOurs", "TestAPageOfAnotherHostPostsNothing"}}),
		tests(testRun{pkg: "./projections/cold", tests: []string{"TestACrowdOfReadersHoldsNobodyUp"}, args: []string{"-crowd", "200", "-crowd-for", "60s", "-crowd-bound", "5s"},
			figure: regexp.MustCompile(`crowd`), limit: 10 * time.Minute}),
		mutants("clickhouse-without-a-wall", "clickhouse-with-sockets", "settings-in-readers-sql", "functions-by-their-name", "passwords-ignored",
			"places-shared-by-users", "hosts-ignored", "embedded-postgres-trusts-loopback", "embedded-postgres-one-password"),
	}},
}
