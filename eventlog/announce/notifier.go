package announce

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/session"
)

// announceEvery is the least time between two announcements.
const announceEvery = time.Millisecond

// Notifier announces appended events, on one connection per process, outside of the
// appending transactions: NOTIFY inside them would make them commit one after the
// other. It does nothing until Run. A nil Notifier takes announcements and drops
// them: followers then poll.
type Notifier struct {
	config  *pgx.ConnConfig
	logger  *slog.Logger
	channel string
	pending chan struct{} // holds one token: announcements made meanwhile are one
}

// NewNotifier makes a notifier for a channel; for appended events that is Events.
func NewNotifier(config *pgx.ConnConfig, logger *slog.Logger, channel string) *Notifier {
	return &Notifier{config: config.Copy(), logger: logger, channel: channel, pending: make(chan struct{}, 1)}
}

// Announce wakes the followers, soon: call it after the commit. It never blocks.
func (n *Notifier) Announce() {
	if n == nil {
		return
	}
	select {
	case n.pending <- struct{}{}:
	default:
	}
}

// Run announces until the context ends, and connects again whenever the connection
// is lost. What was announced meanwhile is announced then.
func (n *Notifier) Run(ctx context.Context) error {
	retry := backoff{}
	for ctx.Err() == nil {
		err := n.announceAll(ctx, &retry)
		if ctx.Err() != nil {
			break
		}
		n.Announce()
		wait := retry.next()
		n.logger.WarnContext(ctx, "the connection that announces events is lost; readers poll until it is back",
			"error", err, "retry_in", wait)
		_ = Wait(ctx, nil, wait) // the loop looks at the context
	}
	return ctx.Err()
}

func (n *Notifier) announceAll(ctx context.Context, retry *backoff) error {
	conn, err := session.Connect(ctx, n.config, session.Needs{})
	if err != nil {
		return err
	}
	defer session.Close(conn)
	statement := "notify " + pgx.Identifier{n.channel}.Sanitize()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.pending:
		}
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
		retry.reset()
		_ = Wait(ctx, nil, announceEvery) // the loop looks at the context
	}
}
