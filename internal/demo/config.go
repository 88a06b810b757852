package demo

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/writemodels/shopapi"
)

// Config says what a demo runs on, and where it shows it.
type Config struct {
	// For is how long commands are sent; 0 means until the context ends.
	For time.Duration
	// Seed makes the load's commands alike from run to run.
	Seed uint64
	// Stores are the stores; those without an address are started, and removed at the end.
	Stores service.Stores
	// PostgresVersion is the major version of a started Postgres; empty is the default.
	PostgresVersion string
	// Open connects the shop's services; those without an address of their own where common
	// lets their role.
	Open func(ctx context.Context, common func(role string) (string, error)) (*shopapi.Shop, error)
	// Query configures the query service; its address is QueryAddress.
	Query queryapi.Config
	// ShopAddress and QueryAddress are where commands and queries are served.
	ShopAddress, QueryAddress service.Address
	// ProjectHealth and ShopHealth are where the health of the projectors and of the shop's
	// services is served.
	ProjectHealth, ShopHealth service.Address
	// Out gets what people read. Terminal says that it can be redrawn.
	Out      io.Writer
	Terminal bool
	// Logger gets the services' warnings.
	Logger *slog.Logger
	// Notes, unless nil, answers the last lines that were logged, for the screen.
	Notes func() []string
}

// Bounds of the demo's waits.
const (
	startWait  = 60 * time.Second
	caughtWait = 60 * time.Second
	finishWait = 2 * time.Minute
	stopWait   = 30 * time.Second
)

// redrawEvery is how often a terminal is redrawn, lineEvery how often a line is printed
// where there is none.
const (
	redrawEvery = 500 * time.Millisecond
	lineEvery   = 2 * time.Second
)
