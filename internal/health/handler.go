package health

import (
	"encoding/json"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/readside/readside/internal/status"
)

// scrapesMax bounds scrapes at the same time; more get 503.
const scrapesMax = 4

// Handler serves /healthz, /readyz and /metrics.
func Handler(m *Monitor, gatherer prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { ready(w, m.Now()) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{MaxRequestsInFlight: scrapesMax, Timeout: lookWait + lookFor}))
	return mux
}

// readiness is the body of /readyz.
type readiness struct {
	Status string `json:"status"`
	// Reasons are why it is not ready, Degraded what is missing in what it gives.
	Reasons  []string         `json:"reasons,omitempty"`
	Degraded []string         `json:"degraded,omitempty"`
	Troubles []status.Trouble `json:"troubles,omitempty"`
}

// ready is 200 when everything in the scope does what it is for, and else 503.
func ready(w http.ResponseWriter, s *Snapshot) {
	body, code := readiness{Status: "ready", Troubles: s.Troubles}, http.StatusOK
	for _, t := range s.Troubles {
		if t.Degraded {
			body.Degraded = append(body.Degraded, t.Text)
		} else {
			body.Reasons = append(body.Reasons, t.Text)
		}
	}
	if !s.Ready() {
		body.Status, code = "not ready", http.StatusServiceUnavailable
	}
	answer(w, code, body)
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // a prober that went away is no fault of ours
}
