// Package desk is what the operators' commands have in common: a projector as they know it,
// without a worker.
package desk

import (
	"fmt"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/internal/own"
)

// Open checks a projector's configuration. Of the observer it takes what is called when
// events are parked.
func Open(cfg engine.Config) (*own.Config, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("projector: %w", err)
	}
	cfg = cfg.WithDefaults()
	layouts, err := hot.Layouts(cfg.Set)
	if err != nil {
		return nil, fmt.Errorf("projector: %w", err)
	}
	program := cfg.Program
	if program == "" {
		program = executable()
	}
	return &own.Config{
		Projector: control.Projector{Name: engine.ProjectorName(cfg.Name, cfg.Set), Base: cfg.Name},
		Set:       cfg.Set, Layouts: layouts, Log: cfg.Log, Postgres: application.Writer(cfg.Postgres, cfg.Application),
		BatchEvents: cfg.BatchEvents, CacheBytes: cfg.CacheBytes, ParkedMax: cfg.ParkedMax, LeaseTTL: cfg.LeaseTTL,
		BuildAbove: cfg.BuildAbove, BuildBytes: cfg.BuildBytes, BuildDir: cfg.BuildDir, BuildRate: cfg.BuildRate,
		Program: program, Logger: cfg.Logger, Parked: cfg.Observer.Parked,
	}, nil
}
