// Package readside keeps query tables in exact step with the events of many services, and
// serves them.
//
// An application describes itself as an [App]: its views and facts, and the screens and
// reports that are served of them. [Main] makes a program of it, with every command that
// a day needs: it migrates, projects, serves, shows its status, verifies views against the
// log, explains rows and rebuilds them.
//
//	func main() {
//		readside.Main(readside.App{
//			Name:   "conference",
//			Set:    conference.Views,
//			Stores: embedded.Stores(),
//		})
//	}
//
// `conference up` runs all of it on one machine, with a Postgres and a ClickHouse of its
// own; `conference help` lists the commands, and `conference help config` the environment
// variables, which begin with CONFERENCE_.
//
// Views and facts are defined with package projections, screens and reports with package
// queryapi. Events come into the log by package eventlog.
package readside
