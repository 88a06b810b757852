package command

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const rollbackWaitMax = 2 * time.Second

// transaction is a pgx.Tx whose begin and commit travel in batches with other
// statements, which pgx's own cannot: that saves a command two of five round trips.
type transaction struct {
	conn *pgxpool.Conn
}

var errBatchedOnly = errors.New("command: this transaction begins and commits in batches only; do not call it inside Work")

func (t transaction) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return t.conn.SendBatch(ctx, b)
}

func (t transaction) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return t.conn.Exec(ctx, sql, args...)
}

func (t transaction) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return t.conn.Query(ctx, sql, args...)
}

func (t transaction) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return t.conn.QueryRow(ctx, sql, args...)
}

func (t transaction) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	return t.conn.CopyFrom(ctx, table, columns, rows)
}

func (t transaction) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	return t.conn.Conn().Prepare(ctx, name, sql)
}

func (t transaction) Conn() *pgx.Conn                       { return t.conn.Conn() }
func (t transaction) LargeObjects() pgx.LargeObjects        { return pgx.LargeObjects{} }
func (t transaction) Begin(context.Context) (pgx.Tx, error) { return nil, errBatchedOnly }
func (t transaction) Commit(context.Context) error          { return errBatchedOnly }

// Rollback ends the transaction if it is still open.
func (t transaction) Rollback(ctx context.Context) error {
	if t.conn.Conn().IsClosed() || t.conn.Conn().PgConn().TxStatus() == 'I' {
		return nil
	}
	_, err := t.conn.Exec(ctx, "rollback")
	return err
}

// release rolls back what is open and gives the connection back. The pool closes a
// connection that comes back inside a transaction, so a failed rollback is harmless.
func (t transaction) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackWaitMax)
	defer cancel()
	_ = t.Rollback(ctx)
	t.conn.Release()
}
