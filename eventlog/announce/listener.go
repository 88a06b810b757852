package announce

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/session"
)

// Events is the Postgres channel on which appended events are announced.
const Events = "readside_events"

// Listener is a process's one LISTEN connection; any number of waiters share it. It
// does nothing until Run. A nil Listener announces nothing.
type Listener struct {
	config    *pgx.ConnConfig
	logger    *slog.Logger
	connected atomic.Bool

	mu       sync.Mutex
	channels map[string]chan struct{} // closed and replaced at each announcement
}

// NewListener makes a listener for the channels; without any, for Events.
func NewListener(config *pgx.ConnConfig, logger *slog.Logger, channels ...string) *Listener {
	if len(channels) == 0 {
		channels = []string{Events}
	}
	l := &Listener{config: config.Copy(), logger: logger, channels: make(map[string]chan struct{}, len(channels))}
	for _, name := range channels {
		l.channels[name] = make(chan struct{})
	}
	return l
}

// Announced is closed at the next announcement on the channel, and when the
// connection comes back after a loss, since announcements may have been missed. For
// a channel that is not listened to, it is nil: it never is.
func (l *Listener) Announced(channel string) <-chan struct{} {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.channels[channel]
}

// Connected reports whether announcements arrive at the moment.
func (l *Listener) Connected() bool { return l != nil && l.connected.Load() }

// Run listens until the context ends, and connects again whenever the connection is lost.
func (l *Listener) Run(ctx context.Context) error {
	retry := backoff{}
	for ctx.Err() == nil {
		err := l.listen(ctx, &retry)
		l.connected.Store(false)
		if ctx.Err() != nil {
			break
		}
		wait := retry.next()
		l.logger.WarnContext(ctx, "the connection that listens for announcements is lost; readers poll until it is back",
			"error", err, "retry_in", wait)
		_ = Wait(ctx, nil, wait) // the loop looks at the context
	}
	return ctx.Err()
}

func (l *Listener) listen(ctx context.Context, retry *backoff) error {
	conn, err := session.Connect(ctx, l.config, session.Needs{})
	if err != nil {
		return err
	}
	defer session.Close(conn)
	for name := range l.channels {
		if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{name}.Sanitize()); err != nil {
			return err
		}
	}
	l.connected.Store(true)
	retry.reset()
	for name := range l.channels {
		l.announce(name)
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		l.announce(n.Channel)
	}
}

func (l *Listener) announce(channel string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if waiting, ok := l.channels[channel]; ok {
		close(waiting)
		l.channels[channel] = make(chan struct{})
	}
}
