package service

import (
	"time"

	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/watch"
)

// Folding says how the hot projector works, read from the environment by envconfig
// with the prefix READSIDE.
type Folding struct {
	BatchEvents    int           `envconfig:"BATCH_EVENTS" default:"10000" desc:"how many events the projector folds in one transaction at most"`
	LeaseTTL       time.Duration `envconfig:"LEASE_TTL" default:"5s" desc:"how long a projector's owner may be silent before another worker takes over"`
	RollbackWindow time.Duration `envconfig:"ROLLBACK_WINDOW" default:"24h" desc:"how long the views of former definitions stay after their last worker has ended; negative drops them at once"`
	CacheMB        int           `envconfig:"CACHE_MB" default:"128" desc:"megabytes of rows that the projector keeps for the batches to come; -1 keeps none"`
	BuildMB        int64         `envconfig:"BUILD_MB" desc:"megabytes that a first build or a rebuild may use; default: a quarter of GOMEMLIMIT, at most 1024"`
	BuildDir       string        `envconfig:"BUILD_DIR" desc:"where a build puts what does not fit into memory; default: the folder for temporary files"`
	BuildRate      int           `envconfig:"BUILD_RATE" desc:"events per second that a first build reads at most; -1 for no bound; default: 20000 while former definitions serve, and else no bound"`
	WatchRate      watch.Rate    `envconfig:"WATCH_RATE" default:"2000" desc:"events per second that the lease holder reads at most to compare views and facts with the log all the time; off compares nothing"`
	WatchMB        int64         `envconfig:"WATCH_MB" default:"32" desc:"megabytes for the rows that are compared at a time"`
	ParkedMax      int           `envconfig:"PARKED_MAX" default:"1000" desc:"how many events may be parked before the projector halts; -1 halts at the first"`
}

// config fills in what the environment says.
func (f Folding) config(c engine.Config) engine.Config {
	c.BatchEvents, c.LeaseTTL, c.RollbackWindow, c.ParkedMax = f.BatchEvents, f.LeaseTTL, f.RollbackWindow, f.ParkedMax
	c.CacheBytes, c.BuildBytes, c.BuildDir, c.BuildRate = f.CacheMB<<20, f.BuildMB<<20, f.BuildDir, f.BuildRate
	c.WatchRate, c.WatchBytes = f.WatchRate, f.WatchMB<<20
	return c
}
