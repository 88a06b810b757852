package queryapi_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/refusal"
)

type marksFunc func(context.Context) error

func (f marksFunc) Watermarks(ctx context.Context, _ []string) ([]*queryapi.Watermark, error) {
	return nil, f(ctx)
}

// Reports that hang are few: the next is refused at once, and holds no place of a
// request. The watermarks are the seam: they are read first.
func TestReportsThatHangAreBounded(t *testing.T) {
	t.Parallel()
	const asked, taken = 40, 32
	over := make(chan struct{})
	errOver := errors.New("over")
	cold := queryapi.NewCold(nil, marksFunc(func(ctx context.Context) error {
		select {
		case <-over:
			return errOver
		case <-ctx.Done():
			return ctx.Err()
		}
	}), "UTC")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	answers := make(chan error)
	run := func() {
		_, err := cold.Run(ctx, &queryapi.Report{Name: "sales"}, nil)
		answers <- err
	}
	for range asked {
		go run()
	}
	for range asked - taken {
		var r *refusal.Refusal
		if err := <-answers; !errors.As(err, &r) || r.Code != refusal.Busy || ctx.Err() != nil {
			t.Fatalf("%v, want %s while the others run", err, refusal.Busy)
		}
	}
	close(over)
	for range taken {
		if err := <-answers; !errors.Is(err, errOver) {
			t.Errorf("%v, want that of the watermarks", err)
		}
	}
	go run()
	if err := <-answers; !errors.Is(err, errOver) {
		t.Errorf("afterwards: %v", err)
	}
}
