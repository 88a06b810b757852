package cold

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/readside/readside/eventlog"
)

func (b *bench) exec(sql string) {
	b.t.Helper()
	if err := b.cfg.ClickHouse.Exec(bounded(b.t), sql); err != nil {
		b.t.Fatal(err)
	}
}

// text is the one text that a query returns.
func (b *bench) text(sql string) (answer string) {
	b.t.Helper()
	if err := b.cfg.ClickHouse.QueryRow(bounded(b.t), sql).Scan(&answer); err != nil {
		b.t.Fatal(err)
	}
	return answer
}

func (b *bench) waitFor(reached <-chan eventlog.Position, to eventlog.Position) {
	b.t.Helper()
	ctx := bounded(b.t)
	for {
		select {
		case at := <-reached:
			if at.Place() >= to.Place() {
				return
			}
		case <-ctx.Done():
			b.t.Fatalf("nobody came to place %d in %s", to.Place(), testBound)
		}
	}
}

func contains(text, part string) bool { return strings.Contains(text, part) }

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, string(line))
	return len(line), nil
}

func (b *bench) capturedErrors(p *Projector) func() []string {
	l := &lines{}
	p.cfg.Logger = slog.New(slog.NewJSONHandler(l, nil))
	return func() []string {
		l.mu.Lock()
		defer l.mu.Unlock()
		return append([]string{}, l.text...)
	}
}

// lateBlocks sends a dead worker's blocks a second time, made anew as the same code
// makes them.
type lateBlocks struct {
	b       *bench
	batches []*batch
	base    eventlog.Position
}

func (b *bench) captureBlocks() *lateBlocks { return &lateBlocks{b: b} }

// capture makes the batch that the projector is about to plan.
func (l *lateBlocks) capture(cfg *Config) {
	head, err := cfg.Log.Head(bounded(l.b.t))
	if err != nil {
		l.b.t.Fatal(err)
	}
	made, err := rebuildBatch(bounded(l.b.t), cfg.Log, cfg.Set, cfg.Log.Start(), head, leftOut{})
	if err != nil {
		l.b.t.Fatal(err)
	}
	l.batches = append(l.batches, made)
}

// sendAll sends them as the dead worker would have: under the numbers that the ledger
// gave it: 1, 2, 3, … of the log's incarnation.
func (l *lateBlocks) sendAll(t *testing.T) {
	t.Helper()
	w := &worker{Projector: l.b.open(), state: checkpoint{generation: 1, epoch: 1_000}}
	if err := w.measureSkew(bounded(t)); err != nil {
		t.Fatal(err)
	}
	_, incarnation, _ := l.b.log.Start().Parts()
	for _, made := range l.batches {
		for i, block := range made.blocks {
			block.batch, block.attempt = int64(incarnation)<<batchShift+int64(i+1), 1
			if err := w.insert(context.Background(), block); err != nil {
				t.Fatal(err)
			}
		}
	}
}
