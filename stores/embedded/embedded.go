// Package embedded has stores that run as processes of this machine's own: a Postgres and
// a ClickHouse on the loopback, in temporary folders, with random passwords.
package embedded

import (
	"github.com/readside/readside/internal/ownstores"
	"github.com/readside/readside/stores"
)

// Stores starts them.
func Stores() stores.Own { return ownstores.Stores{} }
