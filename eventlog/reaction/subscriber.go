package reaction

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction/internal/fault"
)

// passEvery is how often a checkpoint that only passed other types is stored.
const passEvery = time.Second

// subscriber is Watermill's view of the log: messages in the log's order, each after
// the one before was acknowledged.
type subscriber struct {
	reactor *Reactor
	from    eventlog.Position
	// loaded is the life of the server in which from was read from the checkpoint.
	loaded string
	// fail ends the reactor with the error that ended the reading.
	fail func(error)

	// unstored is a checkpoint that only passed other types, and is not stored yet; life is
	// that of the server in which the last page was read.
	unstored eventlog.Position
	life     string
	passedAt time.Time
	close    func()
	running  sync.WaitGroup
}

func newSubscriber(r *Reactor, from eventlog.Position, loaded string, fail func(error)) *subscriber {
	return &subscriber{reactor: r, from: from, loaded: loaded, fail: fail, close: func() {}}
}

// Subscribe begins to read; the router calls it once.
func (s *subscriber) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	ctx, s.close = context.WithCancel(ctx)
	messages := make(chan *message.Message)
	s.running.Go(func() {
		defer close(messages)
		s.follow(ctx, messages)
	})
	return messages, nil
}

// Close ends the reading and waits for it.
func (s *subscriber) Close() error {
	s.close()
	s.running.Wait()
	return nil
}

// follow reads on over the infrastructure's faults; others end the reactor.
func (s *subscriber) follow(ctx context.Context, messages chan<- *message.Message) {
	retry := pauses{first: s.reactor.config.RetryFirst}
	for {
		query := eventlog.Query{Types: s.reactor.types, AtRest: s.store, Life: s.loaded}
		err := s.reactor.config.Log.Follow(ctx, s.from, query, func(ctx context.Context, page eventlog.Page) error {
			retry.reset()
			s.reactor.trouble.Store(nil)
			return s.page(ctx, messages, page)
		})
		if ctx.Err() != nil {
			return
		}
		if err = s.resume(ctx, err, &retry); err != nil {
			s.fail(err)
			return
		}
	}
}

// resume waits after a fault of the infrastructure and takes up the stored checkpoint:
// the one that was remembered may stand behind events that the server has lost.
func (s *subscriber) resume(ctx context.Context, err error, retry *pauses) error {
	for ctx.Err() == nil {
		if !fault.IsInfrastructure(err) && !errors.Is(err, eventlog.ErrRestarted) {
			return err
		}
		wait := retry.next()
		s.reactor.troubled(err)
		s.reactor.logger.WarnContext(ctx, "reading the log failed; trying again", "error", err, "retry_in", wait)
		pause(ctx, wait)
		var stored eventlog.Position
		var life string
		if stored, life, err = s.reactor.load(ctx); err == nil {
			s.from, s.loaded, s.unstored = stored, life, eventlog.Position{}
			return nil
		}
	}
	return nil
}

// page delivers a page in runs. The last run carries the page's own end, which lies
// beyond its last event when events of other types follow.
func (s *subscriber) page(ctx context.Context, messages chan<- *message.Message, page eventlog.Page) error {
	s.life = page.Life()
	for events := page.Events; len(events) > 0; {
		run := events[:min(len(events), s.reactor.config.RunEventsMax)]
		events = events[len(run):]
		next := run[len(run)-1].Position
		if len(events) == 0 {
			next = page.Next
		}
		if err := s.deliver(ctx, messages, run, next); err != nil {
			return err
		}
		s.from = next
	}
	s.from = page.Next
	return s.pass(ctx, page)
}

// pass notes the checkpoint of a page without events, and stores it every so often.
func (s *subscriber) pass(ctx context.Context, page eventlog.Page) error {
	if len(page.Events) > 0 {
		s.unstored = eventlog.Position{} // stored with them
		return nil
	}
	s.reactor.moved(page.Next)
	s.unstored = page.Next
	return s.store(ctx)
}

// store stores the checkpoint that was passed last, unless another was stored just now.
// It is called when nothing new came, too: a reaction that has seen all of the log would
// otherwise seem to be behind for as long as the log is quiet.
func (s *subscriber) store(ctx context.Context) error {
	if s.unstored.IsZero() || time.Since(s.passedAt) < passEvery {
		return nil
	}
	if err := s.reactor.pass(ctx, s.unstored, s.life); err != nil {
		return err
	}
	s.passedAt, s.unstored = time.Now(), eventlog.Position{}
	return nil
}

// deliver gives a run to the router until it is acknowledged: as a whole first; when
// that failed, event by event.
func (s *subscriber) deliver(ctx context.Context, messages chan<- *message.Message, run []eventlog.Event, next eventlog.Position) error {
	if len(run) > 1 {
		acked, err := send(ctx, messages, &delivery{events: run, next: next, life: s.life})
		if acked || err != nil {
			return err
		}
	}
	for i := range run {
		end := run[i].Position
		if i == len(run)-1 {
			end = next
		}
		if err := s.deliverOne(ctx, messages, &delivery{events: run[i : i+1], next: end, life: s.life}); err != nil {
			return err
		}
	}
	return nil
}

// deliverOne repeats one event until it is acknowledged, as handled or as dead
// letter. Only the infrastructure makes it come more than once.
func (s *subscriber) deliverOne(ctx context.Context, messages chan<- *message.Message, d *delivery) error {
	retry := pauses{first: s.reactor.config.RetryFirst}
	for {
		acked, err := send(ctx, messages, d)
		if acked || err != nil {
			return err
		}
		if d.stale {
			return eventlog.ErrRestarted
		}
		pause(ctx, retry.next())
	}
}

// send delivers once and waits for the answer.
func send(ctx context.Context, messages chan<- *message.Message, d *delivery) (acked bool, err error) {
	msg := d.message(ctx)
	select {
	case messages <- msg:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	select {
	case <-msg.Acked():
		return true, nil
	case <-msg.Nacked():
		return false, ctx.Err()
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// delivery is a run of events on its way; next is the checkpoint after it, and life that of
// the server in which both were read.
type delivery struct {
	events []eventlog.Event
	next   eventlog.Position
	life   string
	// done reports whether it is committed, and conflicts counts those met on the way; touched
	// by one goroutine at a time.
	done      bool
	conflicts fault.Conflicts
	// stale reports whether the log or the checkpoint is not what it was when they were read.
	stale bool
}

type deliveryKey struct{}

// message wraps the delivery. The first event stands for the run, for logs.
func (d *delivery) message(ctx context.Context) *message.Message {
	first := &d.events[0]
	msg := message.NewMessage(first.ID, message.Payload(first.Data))
	msg.Metadata.Set("type", first.Type)
	msg.Metadata.Set("stream", first.Stream)
	msg.Metadata.Set(middleware.CorrelationIDMetadataKey, first.CorrelationID)
	msg.SetContext(context.WithValue(ctx, deliveryKey{}, d))
	return msg
}

func deliveryOf(msg *message.Message) (*delivery, bool) {
	d, ok := msg.Context().Value(deliveryKey{}).(*delivery)
	return d, ok
}

// pauses grow from first to retryPauseMax.
type pauses struct{ first, last time.Duration }

func (p *pauses) next() time.Duration {
	p.last = min(max(2*p.last, p.first), retryPauseMax)
	return p.last
}

func (p *pauses) reset() { p.last = 0 }

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
