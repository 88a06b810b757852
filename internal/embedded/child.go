package embedded

import (
	"encoding/json"
	"fmt"
	"os"
)

// childVariable tells a re-executed binary what to be, as a childSpec in JSON.
const childVariable = "READSIDE_EMBEDDED_CHILD"

// childSpec says which child to run; exactly one field is set.
type childSpec struct {
	Postgres   *PostgresOptions   `json:",omitempty"` // keep a Postgres
	ClickHouse *ClickHouseOptions `json:",omitempty"` // keep a ClickHouse
	Shut       *walls             `json:",omitempty"` // confine a thread and become the server from it
	Server     *serverSpec        `json:",omitempty"` // be the ClickHouse server itself
}

// RunIfChild must be the first call in the main function (or TestMain) of every
// binary that starts an embedded store. In a process that was started as a child of
// this package it runs that child and never returns; elsewhere it does nothing.
func RunIfChild() {
	text := os.Getenv(childVariable)
	if text == "" {
		return
	}
	var spec childSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		fmt.Fprintf(os.Stderr, "embedded: %s is for this package alone: %v\n", childVariable, err)
		os.Exit(2)
	}
	// What the store starts must not take itself for a child again.
	_ = os.Unsetenv(childVariable)
	os.Exit(runChild(spec))
}

func runChild(spec childSpec) int {
	switch {
	case spec.Postgres != nil:
		return keep(&postgresStore{options: *spec.Postgres})
	case spec.ClickHouse != nil:
		return keep(keptClickHouse(*spec.ClickHouse))
	case spec.Shut != nil:
		return shutIn(*spec.Shut)
	case spec.Server != nil:
		return serveClickHouse(*spec.Server)
	}
	fmt.Fprintf(os.Stderr, "embedded: %s names no child\n", childVariable)
	return 2
}

// executable is this binary, also when the file was replaced while we run.
func executable() (string, error) {
	const linuxSelf = "/proc/self/exe"
	if _, err := os.Stat(linuxSelf); err == nil {
		return linuxSelf, nil
	}
	return os.Executable()
}
