// Package readsidetest tests an application on real stores: a Postgres and a ClickHouse
// that are started when a test first asks for them, and are shared by the tests of one
// package, each with databases of its own.
//
//	func TestMain(m *testing.M) { readsidetest.Main(m) }
//
//	func TestTheScreen(t *testing.T) {
//		program := readsidetest.Start(t, app)
//		program.Append(OrderSubmitted{OrderID: "o-1"}, OrderPaid{OrderID: "o-1"})
//		got := program.Query(`{ order(id: "o-1") { status } }`, nil)
//		if want := `{"order":{"status":"paid"}}`; got != want {
//			t.Errorf("got %s, want %s", got, want)
//		}
//	}
//
// [Start] runs the whole program as its command up does: it migrates, folds and serves.
// [Stores] only makes the databases, for tests that run a part of the program or their own
// code. Views and facts alone need no stores: see package projectiontest.
//
// # Where the stores come from
//
// The first test of a machine installs what the stores need: Postgres from Debian's packages
// for root and through npm else, the ClickHouse library through npm. That takes about a
// minute and is told on standard error. READSIDE_POSTGRES_URL and READSIDE_CLICKHOUSE_URL
// name servers to use in their place, as a superuser of Postgres and as a user of ClickHouse
// who may create databases. A store that is missing fails the test. It never skips it.
package readsidetest
