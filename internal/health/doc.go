// Package health serves /healthz, /readyz and /metrics of a program that answers no
// queries: the projectors and an application's own services. All three show one snapshot, that of
// internal/status, so that they cannot disagree with each other nor with `readside status`.
package health
