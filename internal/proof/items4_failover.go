package main

import (
	"regexp"
	"time"
)

// issue4Failover is the item of issue 4 on failovers, restores and dumps.
var issue4Failover = []item{
	{"4.7", "under load: a standby is promoted, a server restored to an earlier point, a dump restored into a new cluster; queries answer within 10 s, nothing is folded anew, facts are exact", []step{
		tests(testRun{pkg: "./internal/drill", tests: []string{"TestFailoverToAStandby", "TestRestoreToAnEarlierPoint", "TestDumpIntoANewCluster"},
			args: []string{"-failover-seed", "{seed}", "-failover-load", "3000"}, figure: regexp.MustCompile(`places were lost; queries answered`), limit: 30 * time.Minute}),
		tests(testRun{pkg: "./projections/cold", tests: []string{"TestLostBlocksAreTakenOut", "TestAWriterOfBeforeIsKeptOut", "TestACopyAsksBeforeItTakesClickHouse"}}),
		mutants("checkpoint-beyond-the-end-kept", "lost-blocks-stay", "restored-position-accepted"),
	}},
}
