package cold

import (
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
)

// The proof has 200 of each kind for a minute.
var (
	crowd      = flag.Int("crowd", 40, "how many endless and how many non-reading readers crowd a ClickHouse")
	crowdFor   = flag.Duration("crowd-for", 5*time.Second, "for how long they do")
	crowdBound = flag.Duration("crowd-bound", 0, "how far the facts may lag meanwhile, and how long a report may take; 0 only tells, since it depends on the machine")
)

// What a crowd of readers asks: one never comes to an end, the other's answer does not.
const (
	endlessQuery  = "SELECT count() FROM numbers(1000000000000000)"
	endlessAnswer = "SELECT number, repeat('x', 1000) FROM numbers(9000000000)"
)

// crowdOne asks at an address as the address's user, again and again, until ctx ends. It
// reads the answer or does not.
func crowdOne(ctx context.Context, address *url.URL, sql string, reads bool, served *atomic.Int64) {
	password, _ := address.User.Password()
	login := base64.StdEncoding.EncodeToString([]byte(address.User.Username() + ":" + password))
	request := fmt.Sprintf("POST /?max_threads=1 HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		address.Host, login, len(sql), sql)
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address.Host)
		if err != nil {
			continue
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, request); err == nil {
			served.Add(1)
			if reads {
				_, _ = io.Copy(io.Discard, conn)
			} else {
				hold(ctx)
			}
		}
		stop()
		_ = conn.Close()
	}
}

// hold keeps a connection open without a look at it.
func hold(ctx context.Context) {
	const holdMax = 8 * time.Second
	late := time.NewTimer(holdMax)
	defer late.Stop()
	select {
	case <-late.C:
	case <-ctx.Done():
	}
}

// A crowd of readers whose queries do not end, and of readers that do not read, holds
// nobody up but each other: facts arrive and reports answer.
func TestACrowdOfReadersHoldsNobodyUp(t *testing.T) {
	server := dbtest.ClickHouseServer(t, embedded.ClickHouseOptions{})
	writer := dbtest.OpenClickHouse(t, server.URL("default", embedded.ClickHouseUser))
	if err := writer.Exec(bounded(t), "CREATE DATABASE readside"); err != nil {
		t.Fatal(err)
	}
	b := newLogBench(t)
	b.cfg.ClickHouse = dbtest.OpenClickHouse(t, server.URL("readside", embedded.ClickHouseUser))
	b.runTo(b.append(measurements(6)...))
	reports := dbtest.OpenClickHouse(t, server.URL(MartDatabase("readside"), embedded.ClickHouseServe))
	address, err := url.Parse(server.URL(MartDatabase("readside"), embedded.ClickHouseReader))
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var served atomic.Int64
	var readers sync.WaitGroup
	for range *crowd {
		readers.Go(func() { crowdOne(ctx, address, endlessQuery, true, &served) })
		readers.Go(func() { crowdOne(ctx, address, endlessAnswer, false, &served) })
	}
	reached, ended := make(chan eventlog.Position, 1000), make(chan error, 1)
	p := b.open(func(c *Config) { c.Observer.Written = func(w Written) { reached <- w.Position } })
	go func() { ended <- p.Run(ctx) }()

	var slowestFact, slowestReport time.Duration
	facts := 0
	for began := time.Now(); time.Since(began) < *crowdFor; facts++ {
		appended := time.Now()
		b.waitFor(reached, b.append(measurements(2)...))
		slowestFact = max(slowestFact, time.Since(appended))
		asked := time.Now()
		var rows uint64
		if err := reports.QueryRow(bounded(t), "SELECT count() FROM readings").Scan(&rows); err != nil {
			t.Fatalf("a report among the readers: %v", err)
		}
		slowestReport = max(slowestReport, time.Since(asked))
	}
	cancel()
	readers.Wait()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	t.Logf("crowd: %d + %d readers asked %d times in %v; %d batches of facts, the slowest after %v; the slowest report took %v",
		*crowd, *crowd, served.Load(), *crowdFor, facts, slowestFact.Round(time.Millisecond), slowestReport.Round(time.Millisecond))
	if *crowdBound > 0 && max(slowestFact, slowestReport) > *crowdBound {
		t.Errorf("the bound is %v", *crowdBound)
	}
	if served.Load() < int64(2**crowd) {
		t.Errorf("only %d of %d readers came to ask: this was no crowd", served.Load(), 2**crowd)
	}
	b.exact(b.open())
}
