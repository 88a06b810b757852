package queryapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/queryapi/refusal"
)

// readyTimeout bounds a check.
const readyTimeout = 3 * time.Second

// readyFor is how long a check is answered again without another look.
const readyFor = time.Second

// readiness lets one caller look at a time, and the others have what it found.
type readiness struct {
	mu     sync.Mutex
	looked time.Time
	found  []Trouble
	shared singleflight.Group
}

// Ready returns why queries cannot all be answered well; nothing when they can. It tries
// what queries do, with their role and pool: it reads a row of each view's table, and of
// each report's tables. It takes a bounded time.
func (a *API) Ready(ctx context.Context) []string {
	reasons, _ := split(a.Troubles(ctx))
	return reasons
}

// Troubles is Ready with causes, and with what is degraded.
func (a *API) Troubles(ctx context.Context) []Trouble {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return a.look(ctx)
}

// troublesSoon are those found within the last second, for all who ask meanwhile.
func (a *API) troublesSoon(ctx context.Context) []Trouble {
	a.ready.mu.Lock()
	if time.Since(a.ready.looked) < readyFor {
		defer a.ready.mu.Unlock()
		return a.ready.found
	}
	a.ready.mu.Unlock()
	found, _, _ := a.ready.shared.Do("", func() (any, error) {
		found := a.Troubles(context.WithoutCancel(ctx))
		a.ready.mu.Lock()
		defer a.ready.mu.Unlock()
		a.ready.looked, a.ready.found = time.Now(), found
		return found, nil
	})
	return found.([]Trouble)
}

// ReportChecker is a ReportRunner that can say why reports would not be answered well.
type ReportChecker interface {
	// Check returns what is wrong with each report, or table of one.
	Check(ctx context.Context, reports []*Report) []Trouble
}

func (a *API) look(ctx context.Context) []Trouble {
	found := []Trouble{}
	var views sync.WaitGroup
	views.Go(func() {
		for _, v := range a.schema.views {
			found = append(found, a.viewReady(ctx, v)...)
		}
	})
	var ofReports []Trouble
	if checker, ok := a.reports.(ReportChecker); ok {
		ofReports = checker.Check(ctx, a.schema.reports())
	}
	views.Wait()
	return append(found, ofReports...)
}

// Freshness reads how far every view has come. Views that are not built are left out.
// The gauges show what could be read, and nothing of before.
func (a *API) Freshness(ctx context.Context) (all []*Freshness, err error) {
	defer func() { a.metrics.views(a.schema.views, all) }()
	for _, v := range a.schema.views {
		f, err := a.viewFreshness(ctx, v)
		var r *refusal.Refusal
		if errors.As(err, &r) && r.Code == refusal.NotReady {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

func (a *API) viewFreshness(ctx context.Context, v *view) (*Freshness, error) {
	r, err := a.fetcher.fetch(ctx, &plan{views: []*view{v}})
	if err != nil {
		return nil, err
	}
	return r.fresh[0], nil
}

// viewReady reads a row of a view, as a list would.
func (a *API) viewReady(ctx context.Context, v *view) []Trouble {
	one := &read{path: []string{"ready"}, view: v, list: true, order: v.orders[v.keyName], columns: []int{v.model.Key}}
	r, err := a.fetcher.fetch(ctx, &plan{views: []*view{v}, reads: []*read{one}})
	var refused *refusal.Refusal
	if errors.As(err, &refused) {
		return []Trouble{trouble(control.NotThere, "%s: %s", refused.Message, refused.Hint)}
	}
	if err != nil {
		a.logger.Error("not ready", "view", v.model.Name, "error", err)
		cause, text := why(err)
		return []Trouble{trouble(cause, "view %s cannot be read: %s", v.model.Name, text)}
	}
	f := r.fresh[0]
	if f.reason != "" {
		return []Trouble{trouble(control.Cause(strings.ToLower(f.State)), "view %s is %s: projector %s: %s", v.model.Name, strings.ToLower(f.State), f.projector, f.reason)}
	}
	return rowTroubles("view "+v.model.Name, f.Parked, f.Differs)
}

// readyz is 200 when everything can be answered, and 503 with the reasons.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	found := s.api.troublesSoon(r.Context())
	reasons, degraded := split(found)
	status, body := http.StatusOK, map[string]any{"status": "ready"}
	if len(reasons) > 0 {
		status, body = http.StatusServiceUnavailable, map[string]any{"status": "not ready", "reasons": reasons}
	}
	if len(degraded) > 0 {
		body["degraded"] = degraded
	}
	if len(found) > 0 {
		body["troubles"] = found
	}
	w.Header().Set("Content-Type", typeJSON)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a prober that went away is no fault of ours
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", typeJSON)
	_, _ = w.Write([]byte("{\"status\":\"alive\"}\n"))
}
