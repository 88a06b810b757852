package readsidetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/readside/readside/queryapi/refusal"
)

// queryWait bounds how long a query waits for the events before it. pause is the time
// between two tries.
const (
	queryWait = time.Minute
	pause     = 20 * time.Millisecond
)

// answerBytesMax bounds an answer.
const answerBytesMax = 64 << 20

// Query asks the query API, and returns the answer's data as JSON in one line, the members
// of every object sorted by name. Its rows and its reports contain all events that were
// appended before. An answer with errors fails the test.
func (p *Program) Query(query string, variables map[string]any) string {
	p.t.Helper()
	for began := time.Now(); ; time.Sleep(pause) {
		a, err := p.ask(query, variables)
		if err != nil {
			p.t.Fatalf("readsidetest: query: %v", err)
		}
		late := time.Since(began) > queryWait
		switch {
		case len(a.Errors) > 0 && (late || !a.notYet()):
			p.t.Fatalf("readsidetest: query: %s; the program says:\n%s", a.errors(), p.said)
		case len(a.Errors) > 0:
		case a.reached():
			return sorted(a.Data)
		case late:
			p.t.Fatalf("readsidetest: after %s the query does not contain the events before it: %s", queryWait, a.Extensions.Freshness)
		}
	}
}

// answer is an answer of the query API.
type answer struct {
	Data   json.RawMessage `json:"data"`
	Errors []struct {
		Message    string `json:"message"`
		Extensions struct {
			Code string `json:"code"`
		} `json:"extensions"`
	} `json:"errors"`
	Extensions struct {
		Freshness json.RawMessage `json:"freshness"`
	} `json:"extensions"`
}

func (p *Program) ask(query string, variables map[string]any) (*answer, error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if !p.after.IsZero() {
		request.Header.Set("X-Readside-Position", p.after.String())
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return nil, err
	}
	a := &answer{}
	if err := json.Unmarshal(text, a); err != nil {
		return nil, fmt.Errorf("%s: %.1000s", response.Status, text)
	}
	return a, nil
}

// notYet reports whether a first build is still on its way.
func (a *answer) notYet() bool {
	for _, e := range a.Errors {
		if e.Extensions.Code != refusal.NotReady {
			return false
		}
	}
	return true
}

func (a *answer) errors() (text string) {
	for i, e := range a.Errors {
		if i > 0 {
			text += "; "
		}
		text += e.Message
	}
	return text
}

// reached reports whether the answer contains the events that the query waited for.
func (a *answer) reached() bool {
	var freshness struct {
		Reached *bool `json:"reached"`
	}
	if len(a.Extensions.Freshness) == 0 {
		return true // it reads neither views nor facts
	}
	return json.Unmarshal(a.Extensions.Freshness, &freshness) == nil && (freshness.Reached == nil || *freshness.Reached)
}

// sorted is JSON in one line, the members of every object by name, so that a test does not
// depend on the order of a server's answer.
func sorted(data json.RawMessage) string {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // every digit stays
	var value any
	if err := decoder.Decode(&value); err != nil {
		return string(data)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return string(data)
	}
	return strings.TrimSuffix(out.String(), "\n")
}
