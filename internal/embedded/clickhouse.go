package embedded

import (
	"context"
	"errors"
)

// ClickHouseOptions describes a ClickHouse.
type ClickHouseOptions struct{ Dir string }

type serverSpec struct{}

type clickHouseStore struct{ options ClickHouseOptions }

var errLater = errors.New("embedded: ClickHouse is not built yet")

func (s *clickHouseStore) prepare(context.Context) error { return errLater }
func (s *clickHouseStore) start(context.Context) error   { return errLater }
func (s *clickHouseStore) kill()                         {}
func (s *clickHouseStore) stop()                         {}
func (s *clickHouseStore) remove()                       {}
func (s *clickHouseStore) state() reply                  { return reply{} }
func serveClickHouse(serverSpec) int                     { return 1 }
