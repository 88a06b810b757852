package shopload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

const answerBytesMax = 1 << 20

// client sends commands and counts what becomes of them.
type client struct {
	http    *http.Client
	base    string
	tally   *tally
	limiter *rate.Limiter // nil: no limit
}

// order is one command: how it is counted, where it goes, and what it carries.
type request struct {
	service, kind string
	method, path  string
	body          any
	// key makes a repetition safe; "" sends none.
	key string
	// expected are the codes of refusals that are nobody's fault.
	expected []string
}

// answer is what the shop said. Refusals are told by their code.
type answer struct {
	OrderID string `json:"orderId"`
	ID      string `json:"id"`
	Status  string `json:"status"`
	Lines   []line `json:"lines"`

	code string // "" if accepted
}

type line struct {
	ProductID    string `json:"productId"`
	Discontinued bool   `json:"discontinued"`
}

func (a answer) ok() bool { return a.code == "" }

// problem is the part of a refusal that matters here.
type problem struct {
	Type   string `json:"type"`
	Detail string `json:"detail"`
}

// command sends a command and counts it. The error is the context's end only.
func (c *client) command(ctx context.Context, r request) (answer, error) {
	if c.limiter != nil {
		if err := c.limiter.Wait(ctx); err != nil {
			return answer{}, ctx.Err()
		}
	}
	began := time.Now()
	a, detail, err := c.send(ctx, r)
	switch {
	case ctx.Err() != nil:
		return answer{}, ctx.Err()
	case err != nil:
		a.code = "unreachable"
		c.tally.unexpected(r.service, r.kind, a.code, err.Error())
	case a.ok():
		c.tally.accepted(r.service, r.kind, time.Since(began))
	case slices.Contains(r.expected, a.code):
		c.tally.refused(r.service, r.kind, a.code)
	default:
		c.tally.unexpected(r.service, r.kind, a.code, detail)
	}
	return a, nil
}

// ask reads a service's own state; it counts nothing.
func (c *client) ask(ctx context.Context, service, path string) (answer, error) {
	a, _, err := c.send(ctx, request{service: service, method: http.MethodGet, path: path})
	return a, err
}

func (c *client) send(ctx context.Context, r request) (a answer, detail string, err error) {
	var body bytes.Buffer
	if r.body != nil {
		if err := json.NewEncoder(&body).Encode(r.body); err != nil {
			return a, "", fmt.Errorf("shopload: write the body of %s %s: %w", r.method, r.path, err)
		}
	}
	out, err := http.NewRequestWithContext(ctx, r.method, c.base+"/v1/"+r.service+r.path, &body)
	if err != nil {
		return a, "", err
	}
	out.Header.Set("Content-Type", "application/json")
	if r.key != "" {
		out.Header.Set("Idempotency-Key", r.key)
	}
	in, err := c.http.Do(out)
	if err != nil {
		return a, "", err
	}
	defer in.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(in.Body, answerBytesMax))
	if err != nil {
		return a, "", err
	}
	return read(in.StatusCode, raw)
}

func read(status int, raw []byte) (a answer, detail string, err error) {
	if status < http.StatusBadRequest {
		return a, "", json.Unmarshal(raw, &a)
	}
	var p problem
	if err := json.Unmarshal(raw, &p); err != nil {
		return a, "", fmt.Errorf("shopload: status %d with a body that is no problem: %.200s", status, raw)
	}
	a.code = p.Type[strings.LastIndexByte(p.Type, ':')+1:]
	return a, p.Detail, nil
}
