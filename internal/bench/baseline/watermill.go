package baseline

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Message is an event as the naive handler gets it.
type Message struct {
	Type string
	Data []byte
}

const watermillTopic = "bench"

// Watermill folds a backlog with a handler as most people write it: subscribe,
// decode, one transaction per event, acknowledge. Publishing is not counted.
func Watermill(ctx context.Context, pool *pgxpool.Pool, backlog []Message) (time.Duration, error) {
	for _, table := range []string{"watermill_" + watermillTopic, "watermill_offsets_" + watermillTopic} {
		if _, err := pool.Exec(ctx, "drop table if exists "+pgx.Identifier{table}.Sanitize()); err != nil {
			return 0, err
		}
	}
	db := sql.BeginnerFromPgx(pool)
	if err := publish(db, backlog); err != nil {
		return 0, fmt.Errorf("publish: %w", err)
	}
	if _, err := pool.Exec(ctx, `vacuum analyze`); err != nil {
		return 0, err
	}
	sub, err := sql.NewSubscriber(db, sql.SubscriberConfig{
		ConsumerGroup: "orders", PollInterval: 10 * time.Millisecond, InitializeSchema: true,
		SchemaAdapter: sql.DefaultPostgreSQLSchema{}, OffsetsAdapter: sql.DefaultPostgreSQLOffsetsAdapter{},
	}, watermill.NopLogger{})
	if err != nil {
		return 0, err
	}
	defer func() { _ = sub.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages, err := sub.Subscribe(ctx, watermillTopic)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	for range backlog {
		m := <-messages
		if err := handle(ctx, pool, m.Metadata.Get("type"), m.Payload); err != nil {
			return 0, err
		}
		m.Ack()
	}
	return time.Since(start), nil
}

func publish(db sql.Beginner, backlog []Message) error {
	pub, err := sql.NewPublisher(db, sql.PublisherConfig{SchemaAdapter: sql.DefaultPostgreSQLSchema{}, AutoInitializeSchema: true}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	const atOnce = 1000
	for len(backlog) > 0 {
		n := min(atOnce, len(backlog))
		messages := make([]*message.Message, n)
		for i, e := range backlog[:n] {
			messages[i] = message.NewMessage(watermill.NewUUID(), e.Data)
			messages[i].Metadata.Set("type", e.Type)
		}
		if err := pub.Publish(watermillTopic, messages...); err != nil {
			return err
		}
		backlog = backlog[n:]
	}
	return pub.Close()
}

type naive struct {
	OrderID, UserID, Currency, City, Country, NewName, TrackingNo string
	ItemCount                                                     int
	TotalCents                                                    int64
	Lines                                                         json.RawMessage
	PlacedAt, PaidAt, ShippedAt                                   time.Time
}

func handle(ctx context.Context, pool *pgxpool.Pool, kind string, data []byte) error {
	var e naive
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) (err error) {
		switch kind {
		case "bench.OrderPlaced":
			_, err = tx.Exec(ctx, `insert into views.order_v1_g1 (order_id, user_id, user_name, status, currency, city, country, item_count, total_cents, lines, placed_at, tracking_no, _state)
values ($1, $2, coalesce((select name from views.user_v1_g1 where user_id = $2), ''), 'placed', $3, $4, $5, $6, $7, $8, $9, '', 2)`,
				e.OrderID, e.UserID, e.Currency, e.City, e.Country, e.ItemCount, e.TotalCents, e.Lines, e.PlacedAt)
		case "bench.OrderPaid":
			_, err = tx.Exec(ctx, `update views.order_v1_g1 set status = 'paid', paid_at = $2 where order_id = $1`, e.OrderID, e.PaidAt)
		case "bench.OrderShipped":
			_, err = tx.Exec(ctx, `update views.order_v1_g1 set status = 'shipped', shipped_at = $2, tracking_no = $3 where order_id = $1`, e.OrderID, e.ShippedAt, e.TrackingNo)
		case "bench.UserRenamed":
			if _, err = tx.Exec(ctx, `insert into views.user_v1_g1 (user_id, name, _state) values ($1, $2, 2) on conflict (user_id) do update set name = excluded.name`, e.UserID, e.NewName); err == nil {
				_, err = tx.Exec(ctx, `update views.order_v1_g1 set user_name = $2 where user_id = $1`, e.UserID, e.NewName)
			}
		}
		return err
	})
}
