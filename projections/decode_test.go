package projections_test

import (
	"errors"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

type explosive struct{ ID string }

func (explosive) EventType() (string, int) { return "test.Explosive", 1 }

func (*explosive) UnmarshalJSON([]byte) error { panic("bang") }

type crater struct {
	ID string `view:"id,key"`
}

// Decoding runs the contract's code too: its panics are faults like a handler's.
func TestPanicWhileDecodingIsAFault(t *testing.T) {
	set, err := projections.NewSet(&projections.View[crater]{Name: "crater", Version: 1, Handlers: []projections.Handler[crater]{
		projections.Create(func(e explosive) string { return e.ID }, func(*crater, explosive, projections.Meta) error { return nil }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = set.DecodeAll([]eventlog.Event{{Type: "test.Explosive", SchemaVersion: 1, Data: []byte(`{"ID":"x"}`)}})
	var fault *projections.FoldError
	if !errors.As(err, &fault) || fault.View != "crater" || fault.Hint == "" {
		t.Errorf("decoding answered %v", err)
	}
}
