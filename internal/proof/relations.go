package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"

	"github.com/readside/readside/internal/embedded"
)

// What item 5.3 measures, and the least ratio of both rates.
const (
	relationsEvents = "1000000"
	relationsRounds = 3
	relationsLeast  = 0.5
)

var (
	parcelsRate = regexp.MustCompile(`parcels: catch-up .*: (\d+) events/s`)
	engineRate  = regexp.MustCompile(`round \d+\s+engine\s.*\s(\d+) events/s`)
)

// relations compares the catch-up of the views of examples/parcels, which join one another,
// with that of the bench's order view: in turns, on servers that wait for the disk.
func relations(ctx context.Context, o options) (figures []string, err error) {
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
	parcels := testRun{module: "examples/parcels", pkg: ".", tests: []string{"TestCatchUp"}, args: []string{"-catchup", relationsEvents},
		env: []string{"READSIDE_POSTGRES_URL=" + store.URL("postgres", embedded.Superuser)}, figure: parcelsRate}
	var ours, orders []float64
	for range relationsRounds {
		lines, err := tests(parcels)(ctx, o)
		if err != nil {
			return figures, err
		}
		out, err := command(ctx, o.repo, os.Environ(), o.progress, binary, "bench", "catchup", "--events", relationsEvents, "--rounds", "1", "--json")
		if err != nil {
			return figures, err
		}
		order := engineRate.FindStringSubmatch(out)
		if len(lines) != 1 || order == nil {
			return figures, fmt.Errorf("no rate is in %q and %s", lines, out)
		}
		figures = append(figures, lines[0], "order view: "+order[1]+" events/s")
		ours, orders = append(ours, number(parcelsRate.FindStringSubmatch(lines[0])[1])), append(orders, number(order[1]))
	}
	ratio := median(ours) / median(orders)
	line := fmt.Sprintf("catch-up of the related views over that of the order view: %.2f, wanted at least %g", ratio, relationsLeast)
	figures = append(figures, line)
	if ratio < relationsLeast {
		return figures, errors.New(line)
	}
	return figures, nil
}

func number(digits string) float64 {
	n, _ := strconv.ParseFloat(digits, 64) // it matched \d+
	return n
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
