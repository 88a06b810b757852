package queryapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/queryapi/refusal"
)

// readyTimeout bounds a check.
const readyTimeout = 3 * time.Second

// readyFor is how long a check is answered again without another look.
const readyFor = time.Second

// readiness lets one caller look at a time, and the others have what it found.
type readiness struct {
	mu      sync.Mutex
	looked  time.Time
	reasons []string
	shared  singleflight.Group
}

// Ready returns why queries cannot all be answered well; nothing when they can. It tries
// what queries do, with their role and pool: it reads a row of each view's table, and of
// each report's tables. It takes a bounded time.
func (a *API) Ready(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return a.look(ctx)
}

// readySoon is what Ready found within the last second, for all who ask meanwhile.
func (a *API) readySoon(ctx context.Context) []string {
	a.ready.mu.Lock()
	if time.Since(a.ready.looked) < readyFor {
		defer a.ready.mu.Unlock()
		return a.ready.reasons
	}
	a.ready.mu.Unlock()
	found, _, _ := a.ready.shared.Do("", func() (any, error) {
		reasons := a.Ready(context.WithoutCancel(ctx))
		a.ready.mu.Lock()
		defer a.ready.mu.Unlock()
		a.ready.looked, a.ready.reasons = time.Now(), reasons
		return reasons, nil
	})
	return found.([]string)
}

// ReportChecker is a ReportRunner that can say why reports would not be answered well.
type ReportChecker interface {
	// Check returns a reason for each report, or table of one, that would not be.
	Check(ctx context.Context, reports []*Report) []string
}

func (a *API) look(ctx context.Context) []string {
	reasons := []string{}
	var views sync.WaitGroup
	views.Go(func() {
		for _, v := range a.schema.views {
			if reason := a.viewReady(ctx, v); reason != "" {
				reasons = append(reasons, reason)
			}
		}
	})
	var ofReports []string
	if checker, ok := a.reports.(ReportChecker); ok {
		ofReports = checker.Check(ctx, a.schema.reports())
	}
	views.Wait()
	return append(reasons, ofReports...)
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
func (a *API) viewReady(ctx context.Context, v *view) string {
	one := &read{path: []string{"ready"}, view: v, list: true, order: v.orders[v.keyName], columns: []int{v.model.Key}}
	r, err := a.fetcher.fetch(ctx, &plan{views: []*view{v}, reads: []*read{one}})
	var refused *refusal.Refusal
	if errors.As(err, &refused) {
		return refused.Message + ": " + refused.Hint
	}
	if err != nil {
		a.logger.Error("not ready", "view", v.model.Name, "error", err)
		return fmt.Sprintf("view %s cannot be read: %s", v.model.Name, why(err))
	}
	if f := r.fresh[0]; f.reason != "" {
		return fmt.Sprintf("view %s is %s: projector %s: %s", v.model.Name, strings.ToLower(f.State), f.projector, f.reason)
	}
	return ""
}

// why says what kept a store from answering. Who asks for readiness operates the
// service, and needs the code; the log has all of it.
func why(err error) string {
	class, code := session.ClassOf(err)
	var refused *session.Error
	switch {
	case errors.As(err, &refused):
		return refused.Error()
	case code == "42501":
		return "the role of the query API lacks a right (SQLSTATE 42501): grant it select, or let it connect as readside_query"
	case class == session.Permanent:
		return "Postgres refuses (SQLSTATE " + code + "), and will until somebody mends it: see the log of the query API"
	case errors.Is(err, context.DeadlineExceeded):
		return "the store did not answer in time"
	case code != "":
		return "Postgres answers with SQLSTATE " + code + ": see the log of the query API"
	}
	return "the store does not answer: see the log of the query API"
}

// readyz is 200 when everything can be answered, and 503 with the reasons.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	reasons := s.api.readySoon(r.Context())
	status, body := http.StatusOK, map[string]any{"status": "ready"}
	if len(reasons) > 0 {
		status, body = http.StatusServiceUnavailable, map[string]any{"status": "not ready", "reasons": reasons}
	}
	w.Header().Set("Content-Type", typeJSON)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a prober that went away is no fault of ours
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", typeJSON)
	_, _ = w.Write([]byte("{\"status\":\"alive\"}\n"))
}
