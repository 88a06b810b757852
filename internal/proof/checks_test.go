package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

// busily leaves no process behind, and keeps what its step said.
func TestBusilyEndsWithItsStep(t *testing.T) {
	wanted := errors.New("not killed")
	figures, err := busily(func(context.Context, options) ([]string, error) {
		return []string{"one"}, wanted
	})(t.Context(), options{})
	if !errors.Is(err, wanted) || len(figures) != 1 {
		t.Errorf("got %v, %v", figures, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, err = busily(func(context.Context, options) ([]string, error) { return nil, nil })(t.Context(), options{})
	}()
	select {
	case <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("it waits for processes that count on")
	}
}
