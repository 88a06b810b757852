package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/writemodels/contract"
)

// What demo must reach in 20 seconds.
const (
	demoEvents = 20_000
	demoEach   = 100
)

// summary is the last line of the demo's standard output.
type summary struct {
	Events   int64 `json:"events"`
	Commands int64 `json:"commands"`
	Views    map[string]struct {
		Rows      int64 `json:"rows"`
		LagEvents int64 `json:"lag_events"`
	} `json:"views"`
	Cold map[string]struct {
		Rows int64 `json:"rows"`
	} `json:"cold"`
	Verified bool `json:"verified"`
}

// demo runs the demo on a Postgres of its own, so that the log can be asked afterwards
// which events it holds.
func demo(ctx context.Context, o options) (figures []string, err error) {
	binary, cleanup, err := buildBinary(ctx, o)
	if err != nil {
		return nil, err
	}
	defer cleanup()
	store, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{Durable: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Stop()) }()
	url := store.URL("postgres", embedded.Superuser)
	env := append(os.Environ(), "READSIDE_POSTGRES_URL="+url)
	if _, err := command(ctx, o.repo, env, o.progress, binary, "migrate", "up"); err != nil {
		return nil, err
	}
	if err := store.AllowLogins(ctx); err != nil {
		return nil, err
	}
	out, err := command(ctx, o.repo, env, o.progress, binary, "demo", "--for", "20s", "--summary", "json")
	if err != nil {
		return nil, err
	}
	var s summary
	if err := json.Unmarshal([]byte(lastLine(out)), &s); err != nil {
		return nil, fmt.Errorf("the demo's last line is not its summary: %w", err)
	}
	figures, typesErr := checkTypes(ctx, url)
	figures = append([]string{fmt.Sprintf("%d events, %d commands, %d views, %d cold tables", s.Events, s.Commands, len(s.Views), len(s.Cold))}, figures...)
	return figures, errors.Join(s.check(), typesErr)
}

func (s summary) check() error {
	var errs []error
	if s.Events < demoEvents {
		errs = append(errs, fmt.Errorf("%d events, wanted at least %d", s.Events, demoEvents))
	}
	if len(s.Views) == 0 || len(s.Cold) == 0 {
		errs = append(errs, errors.New("the summary names no views or no cold tables"))
	}
	for name, v := range s.Views {
		if v.LagEvents != 0 {
			errs = append(errs, fmt.Errorf("view %s is %d events behind", name, v.LagEvents))
		}
	}
	if !s.Verified {
		errs = append(errs, errors.New("the summary does not say verified"))
	}
	return errors.Join(errs...)
}

// oftenTypes are the events of which there must be a hundred.
func oftenTypes() map[string][]string {
	name := func(e contract.Event) string { n, _ := e.EventType(); return n }
	return map[string][]string{
		"renames":       {name(contract.CustomerRenamed{}), name(contract.ProductRenamed{})},
		"price changes": {name(contract.ProductPriceChanged{})},
		"cancellations": {name(contract.OrderCancelled{})},
	}
}

// checkTypes asks the log which events it holds.
func checkTypes(ctx context.Context, url string) (figures []string, err error) {
	counts, err := countTypes(ctx, url)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, e := range contract.All() {
		if name, _ := e.EventType(); counts[name] == 0 {
			errs = append(errs, fmt.Errorf("no event of type %s", name))
		}
	}
	for what, types := range oftenTypes() {
		n := 0
		for _, name := range types {
			n += counts[name]
		}
		figures = append(figures, fmt.Sprintf("%d %s", n, what))
		if n < demoEach {
			errs = append(errs, fmt.Errorf("%d %s, wanted at least %d", n, what, demoEach))
		}
	}
	slices.Sort(figures)
	return append([]string{fmt.Sprintf("%d event types", len(counts))}, figures...), errors.Join(errs...)
}

func countTypes(ctx context.Context, url string) (map[string]int, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("ask the log: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `select type, count(*)::int from eventlog.events group by type`)
	if err != nil {
		return nil, fmt.Errorf("ask the log: %w", err)
	}
	counts := map[string]int{}
	var name string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error { counts[name] = n; return nil })
	if err != nil {
		return nil, fmt.Errorf("ask the log: %w", err)
	}
	return counts, nil
}
