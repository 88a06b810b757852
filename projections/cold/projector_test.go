package cold

import (
	"testing"
	"time"
)

func TestEveryColumnTypeComesBackAsItWas(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	events := measurements(5)
	to := b.append(events...)
	p := b.runTo(to)
	b.exact(p)
	rows, err := b.cfg.ClickHouse.Query(bounded(t), "SELECT gauge, text, value, count, ratio, good, level, since, at FROM "+qualified(p.Mart(), "readings")+" ORDER BY since, count")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []reading
	for rows.Next() {
		var r reading
		var count int64
		if err := rows.Scan(&r.Gauge, &r.Text, &r.Value, &count, &r.Ratio, &r.Good, &r.Level, &r.Since, &r.At); err != nil {
			t.Fatal(err)
		}
		r.Count = int(count)
		got = append(got, r)
	}
	var want []reading
	for _, e := range events {
		e := e.(measured)
		for i, v := range e.Values {
			want = append(want, reading{e.Gauge, e.Gauge + "'\\\x00ü,:", v, i, e.Ratio, e.Good, e.Level, e.Since, e.At})
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		if !got[i].Since.Equal(want[i].Since) || !got[i].At.Equal(want[i].At) {
			t.Errorf("row %d: times %v and %v, want %v and %v", i, got[i].Since, got[i].At, want[i].Since, want[i].At)
		}
		got[i].Since, got[i].At, want[i].Since, want[i].At = time.Time{}, time.Time{}, time.Time{}, time.Time{}
		if got[i] != want[i] {
			t.Errorf("row %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}
