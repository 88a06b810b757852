package status

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/control"
)

// Probe asks whether a store is there. It must end with its context.
type Probe func(context.Context) Store

// probeWait bounds how long a store may take to answer.
const probeWait = 3 * time.Second

// ask asks all stores at the same time; the function that it returns waits for them.
func ask(ctx context.Context, probes []Probe) func() []Store {
	stores := make([]Store, len(probes))
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	var asking sync.WaitGroup
	for i, probe := range probes {
		asking.Go(func() { stores[i] = probe(ctx) })
	}
	return func() []Store {
		defer cancel()
		asking.Wait()
		return stores
	}
}

// Ask asks all stores at the same time whether they are there.
func Ask(ctx context.Context, probes []Probe) []Store { return ask(ctx, probes)() }

// Postgres is what an error of Postgres says of the server; nil says that it is there.
func Postgres(err error) Store {
	s := Store{Name: "postgres"}
	if err == nil {
		return s
	}
	_, code := session.ClassOf(err)
	var none *application.UnrecordedError
	s.Cause = control.CauseOf(err)
	switch {
	case application.Refused(err), errors.Is(err, application.ErrNotMigrated), errors.As(err, &none):
		s.Cause, s.Error = control.PostgresRefuses, line(err)
	case s.Cause == control.PostgresConnections:
		s.Error = "Postgres takes no more connections (SQLSTATE 53300): raise max_connections, or end some"
	case s.Cause == control.PostgresFull:
		s.Error = fmt.Sprintf("Postgres is out of disk or memory (SQLSTATE %s): %s", code, line(err))
	case s.Cause == control.PostgresRefuses && code == "":
		s.Error = line(err)
	case s.Cause == control.PostgresRefuses:
		s.Error = fmt.Sprintf("Postgres refuses (SQLSTATE %s), and will until somebody mends it: %s", code, line(err))
	case errors.Is(err, context.DeadlineExceeded):
		s.Error = "Postgres does not answer in time"
	default:
		s.Error = "Postgres does not answer: " + line(err)
	}
	return s
}

// ClickHouse is what an error of ClickHouse says of the server; nil says that it is there.
func ClickHouse(err error) Store {
	s := Store{Name: "clickhouse"}
	var exception *clickhouse.Exception
	switch {
	case err == nil:
	case errors.As(err, &exception):
		s.Cause, s.Error = control.ClickHouseRefuses, fmt.Sprintf("ClickHouse refuses (code %d): %s", exception.Code, line(err))
	case errors.Is(err, context.DeadlineExceeded):
		s.Cause, s.Error = control.ClickHouseUnreachable, "ClickHouse does not answer in time"
	default:
		s.Cause, s.Error = control.ClickHouseUnreachable, "ClickHouse does not answer: "+line(err)
	}
	return s
}

// line is the first line of an error, of a bounded length.
func line(err error) string {
	const most = 300
	text, _, _ := strings.Cut(err.Error(), "\n")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
