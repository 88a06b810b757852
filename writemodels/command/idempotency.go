package command

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	keyLengthMax = 128
	// forgetBatch is how many remembered answers one statement forgets.
	forgetBatch = 5_000
)

// Key is a client's idempotency key with the fingerprint of the request that it came
// with. The zero Key remembers nothing.
type Key struct {
	Value   string
	Request [sha256.Size]byte
}

// KeyOf binds a key to a request. Path and body are what make two requests the same.
func KeyOf(value, method, path string, body []byte) Key {
	h := sha256.New()
	for _, part := range []string{method, path} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	h.Write(body)
	k := Key{Value: value}
	h.Sum(k.Request[:0])
	return k
}

// remembered is what an earlier command with the same key was and answered.
type remembered struct {
	request []byte
	body    []byte
}

// answer is the earlier answer, or a refusal when the key was used for another request.
// Only commands that were carried out are remembered: a refused one changed nothing,
// and sent again it is decided again.
func (r *remembered) answer(key Key) (Answer, error) {
	if string(r.request) != string(key.Request[:]) {
		return Answer{}, &Refusal{
			Code: "idempotency-key-reused", Status: http.StatusUnprocessableEntity,
			Detail: fmt.Sprintf("the Idempotency-Key %q came with another request before", key.Value),
			Hint:   "use a new key for each new command, and the same key only to repeat the very same request",
		}
	}
	var a Answer
	if err := json.Unmarshal(r.body, &a); err != nil {
		return Answer{}, fmt.Errorf("command: the answer remembered for key %q is damaged: %w", key.Value, err)
	}
	return a, nil
}

// idempotency is the table of remembered answers in a service's own schema.
type idempotency struct {
	lookup, remember, forget string
}

func idempotencyOf(schema string) idempotency {
	table := pgx.Identifier{schema, "idempotency"}.Sanitize()
	return idempotency{
		lookup:   "select request, answer from " + table + " where key = $1",
		remember: "insert into " + table + " (key, request, answer) values ($1, $2, $3)",
		forget: "delete from " + table + " where key in (select key from " + table +
			" where created_at < now() - $1::interval order by created_at limit $2)",
	}
}

func (i idempotency) queueLookup(b *pgx.Batch, key Key, into **remembered) {
	if key.Value == "" {
		return
	}
	b.Queue(i.lookup, key.Value).QueryRow(func(row pgx.Row) error {
		var r remembered
		err := row.Scan(&r.request, &r.body)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		*into = &r
		return err
	})
}

// queueRemember stores the answer together with the effect. If two requests with one
// key run at once, the second one's insert fails, it is tried again, and finds the answer.
func (i idempotency) queueRemember(b *pgx.Batch, key Key, a Answer) {
	if key.Value == "" {
		return
	}
	body, err := json.Marshal(a)
	if err != nil {
		panic(fmt.Sprintf("command: an Answer of strings cannot fail to marshal: %v", err))
	}
	b.Queue(i.remember, key.Value, key.Request[:], body)
}

// Forget deletes remembered answers that are older than age, in bounded batches.
func (x *Executor) Forget(ctx context.Context, age time.Duration) (n int64, err error) {
	for {
		done, err := x.forgetBatch(ctx, x.pool, age)
		n += done
		if err != nil || done < forgetBatch {
			return n, err
		}
	}
}

func (x *Executor) forgetBatch(ctx context.Context, pool *pgxpool.Pool, age time.Duration) (int64, error) {
	tag, err := pool.Exec(ctx, x.keys.forget, age, forgetBatch)
	if err != nil {
		return 0, fmt.Errorf("command: forget answers older than %s: %w", age, err)
	}
	return tag.RowsAffected(), nil
}
