package engine

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections/control"
)

// troubleWait bounds what is spent on writing down why the projector was interrupted.
const troubleWait = 2 * time.Second

// noteTrouble writes down why the projector was interrupted, so that status names the
// cause. Another worker that owns the projector meanwhile has no such trouble. Where
// Postgres does not answer, the log of this process has the cause alone.
func (p *Projector) noteTrouble(ctx context.Context, cause error) {
	line, _, _ := strings.Cut(cause.Error(), "\n")
	doc, err := json.Marshal(map[string]string{"error": line})
	if err != nil {
		return
	}
	p.noted = true
	p.apart(ctx, control.NoteTroubleSQL, p.Name(), string(doc))
}

// forgetTrouble takes back what noteTrouble wrote, also that of a former process.
func (p *Projector) forgetTrouble(ctx context.Context) {
	if p.noted {
		p.noted = !p.apart(ctx, control.ForgetTroubleSQL, p.Name())
	}
}

// apart runs a statement over a connection of its own and reports whether it succeeded.
func (p *Projector) apart(ctx context.Context, sql string, args ...any) bool {
	ctx, cancel := context.WithTimeout(ctx, troubleWait)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, p.cfg.Postgres)
	if err != nil {
		return false
	}
	defer session.Close(conn)
	_, err = conn.Exec(ctx, sql, args...)
	return err == nil
}
