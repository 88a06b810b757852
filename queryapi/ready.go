package queryapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/queryapi/refusal"
)

// readyTimeout bounds a check.
const readyTimeout = 3 * time.Second

// Ready answers why queries cannot all be answered well; nothing when they can.
func (a *API) Ready(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	log, err := a.logIdentity(ctx)
	if err != nil {
		a.logger.Error("not ready", "error", err)
		return []string{"Postgres does not answer: see the log of the query API"}
	}
	var reasons []string
	for _, v := range a.schema.views {
		if reason := a.viewReady(ctx, v, log); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	return reasons
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

func (a *API) viewReady(ctx context.Context, v *view, log eventlog.Position) string {
	f, err := a.viewFreshness(ctx, v)
	var r *refusal.Refusal
	switch {
	case errors.As(err, &r):
		return r.Message + ": " + r.Hint
	case err != nil:
		a.logger.Error("not ready", "view", v.model.Name, "error", err)
		return fmt.Sprintf("view %s cannot be read: see the log of the query API", v.model.Name)
	case f.State == "HALTED":
		return fmt.Sprintf("projector %s of view %s halted at a fault: readside status says which", f.projector, v.model.Name)
	case !f.Position.SameLog(log):
		return fmt.Sprintf("view %s follows another log or incarnation than the one here: rebuild it", v.model.Name)
	}
	return ""
}

// logIdentity is the zero position of the log here; zero where nobody opened it yet.
func (a *API) logIdentity(ctx context.Context) (eventlog.Position, error) {
	var id *uuid.UUID
	var incarnation *int32
	err := a.fetcher.pool.QueryRow(ctx, "select identity, incarnation from eventlog.log").Scan(&id, &incarnation)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && (id == nil || incarnation == nil) {
		return eventlog.Position{}, nil
	}
	if err != nil {
		return eventlog.Position{}, err
	}
	return eventlog.NewPosition(*id, *incarnation, 0), nil
}

// readyz is 200 when everything can be answered, and 503 with the reasons.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	reasons := s.api.Ready(r.Context())
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
