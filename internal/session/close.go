package session

import (
	"context"
	"time"
)

// closeWait bounds how long a server may take to part from a connection.
const closeWait = time.Second

// Close closes a connection, whatever state it is in, within a second.
func Close(conn interface{ Close(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	_ = conn.Close(ctx) // it is closed in any case
}
