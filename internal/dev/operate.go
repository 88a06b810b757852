package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// liveWait bounds how long the views of a new program may take to be live. askEvery is the
// time between two looks at them.
const (
	liveWait = 2 * time.Minute
	askEvery = 200 * time.Millisecond
)

// ask runs a command of the program and decodes the JSON object that it prints, whatever its
// exit code says.
func ask[T any](ctx context.Context, binary string, cfg Config, args ...string) (answer T, err error) {
	c := exec.CommandContext(ctx, binary, args...)
	c.Env = cfg.Env
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	runErr := c.Run()
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		return answer, fmt.Errorf("%s %v: %w: %s", cfg.Name, args, errors.Join(runErr, err), bytes.TrimSpace(errs.Bytes()))
	}
	return answer, nil
}

// run runs a command of the program, which must succeed.
func run(ctx context.Context, binary string, cfg Config, args ...string) error {
	c := exec.CommandContext(ctx, binary, args...)
	c.Env = cfg.Env
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", cfg.Name, args, err, bytes.TrimSpace(out))
	}
	return nil
}

// status is the part of status --json that is looked at here.
type status struct {
	Projectors []struct {
		Name  string    `json:"name"`
		Owner *struct{} `json:"owner"`
	} `json:"projectors"`
	Views []view `json:"views"`
}

type view struct {
	View      string `json:"view"`
	Table     string `json:"table"`
	Projector string `json:"projector"`
	Live      bool   `json:"live"`
	LagEvents int64  `json:"lag_events"`
}

// own are the live views that the running program keeps.
func (s *status) own() (views []view, waiting bool) {
	owned := map[string]bool{}
	for _, p := range s.Projectors {
		owned[p.Name] = p.Owner != nil
	}
	for _, v := range s.Views {
		switch {
		case !owned[v.Projector]:
		case !v.Live:
			waiting = true
		default:
			views = append(views, v)
			waiting = waiting || v.LagEvents > 0
		}
	}
	return views, waiting
}

// untilLive waits until all views of the running program are live and up to date.
func untilLive(ctx context.Context, binary string, cfg Config) error {
	for began := time.Now(); ; {
		s, err := ask[status](ctx, binary, cfg, "status", "--json")
		if err == nil {
			if views, waiting := s.own(); len(views) > 0 && !waiting {
				return nil
			}
			err = errors.New("the views are not live yet")
		}
		if time.Since(began) > liveWait {
			return fmt.Errorf("after %s: %w", liveWait, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(askEvery):
		}
	}
}

// verified is the part of verify --json that is looked at here.
type verified struct {
	Views []struct {
		View        string `json:"view"`
		Differences struct {
			Count int `json:"count"`
		} `json:"differences"`
	} `json:"views"`
	Cold *struct {
		Tables []struct {
			Partitions []struct {
				Equal bool `json:"equal"`
			} `json:"partitions"`
		} `json:"tables"`
	} `json:"cold"`
}

// foldAnew rebuilds the views whose rows are not what the program's code makes of the log,
// and all facts if those of one are not. Where only a handler's code changed nothing else
// tells a projector so: in production a new Version does.
func foldAnew(ctx context.Context, binary string, cfg Config) error {
	found, err := ask[verified](ctx, binary, cfg, "verify", "--json")
	if err != nil {
		return err
	}
	for _, v := range found.Views {
		if v.Differences.Count > 0 {
			if err := run(ctx, binary, cfg, "rebuild", v.View); err != nil {
				return err
			}
		}
	}
	if found.Cold == nil {
		return nil
	}
	for _, t := range found.Cold.Tables {
		for _, p := range t.Partitions {
			if !p.Equal {
				fmt.Fprintln(cfg.Out, "The facts differ from what their code makes of the log: they are rebuilt.")
				return run(ctx, binary, cfg, "rebuild", "facts")
			}
		}
	}
	return nil
}
