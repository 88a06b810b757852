package eventlog_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
)

// benchEvents is how many events the reading benchmarks pass per round.
const benchEvents = 200_000

func filled(b *testing.B) *eventlog.Log {
	b.Helper()
	db := dbtest.Postgres(b)
	_, err := db.Pool.Exec(bounded(b), `
		insert into eventlog.events (version, time, schema_version, id, source, type, stream, correlation_id, causation_id, data)
		select n % 5 + 1, now(), 1, gen_random_uuid(), 'shop_ordering', 'test.Type' || n % 20, 'order-' || n / 5,
		       gen_random_uuid(), gen_random_uuid(),
		       json_build_object('orderId', gen_random_uuid(), 'buyerId', gen_random_uuid(), 'amount', n, 'currency', 'EUR', 'note', repeat('x', 60))
		  from generate_series(0, $1 - 1) n`, benchEvents)
	if err == nil {
		_, err = db.Pool.Exec(bounded(b), `vacuum analyze eventlog.events`)
	}
	if err != nil {
		b.Fatal(err)
	}
	return open(b, db.Pool)
}

// BenchmarkRead reads the log from its start, in pages of 10,000.
func BenchmarkRead(b *testing.B) {
	log := filled(b)
	for name, types := range map[string][]string{"all": nil, "one type of twenty": {"test.Type7"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				at := log.Start()
				for at.Place() < benchEvents {
					page, err := log.Read(context.Background(), at, eventlog.Query{Limit: 10_000, Types: types})
					if err != nil {
						b.Fatal(err)
					}
					at = page.Next
				}
			}
			b.ReportMetric(float64(b.N)*benchEvents/b.Elapsed().Seconds(), "places/s")
		})
	}
}

// BenchmarkReadAtTheEnd is what a follower pays to learn that nothing came.
func BenchmarkReadAtTheEnd(b *testing.B) {
	log := filled(b)
	end, err := log.Head(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := log.Read(context.Background(), end, eventlog.Query{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppend appends in transactions of one and of a thousand events.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 1_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			db := dbtest.Postgres(b)
			pool := db.Role(b, "readside_appender")
			log := open(b, pool)
			events := newEvents(b, size)
			n := 0
			for b.Loop() {
				err := pgx.BeginFunc(context.Background(), pool, func(tx pgx.Tx) error {
					n++
					for i := range events {
						events[i].ID = uuid.Must(uuid.NewV7()).String()
					}
					_, err := log.Append(context.Background(), tx, eventlog.Append{Stream: fmt.Sprint("s", n), Events: events})
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*size)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
