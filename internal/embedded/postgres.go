package embedded

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// Superuser owns every embedded cluster.
const Superuser = "postgres"

// PostgresOptions describes a cluster; the zero value is a temporary, fast one.
type PostgresOptions struct {
	// Dir keeps the cluster, and is kept. Empty: a temporary folder, removed at the end.
	Dir string
	// Durable makes commits survive a power cut (fsync). Off, commits are faster.
	Durable bool
	// Settings are further lines of postgresql.conf, over those of this package.
	Settings map[string]string
}

// Postgres is a running cluster of our own.
type Postgres struct{ handle *handle }

// StartPostgres starts a cluster and returns when it accepts connections. It is
// stopped by Stop, and by the end of this process, however that comes.
func StartPostgres(ctx context.Context, options PostgresOptions) (*Postgres, error) {
	h, err := spawn(ctx, childSpec{Postgres: &options})
	if err != nil {
		return nil, fmt.Errorf("start the embedded Postgres: %w", err)
	}
	return &Postgres{handle: h}, nil
}

// URL addresses a database as a user. On loopback every user is trusted.
func (p *Postgres) URL(database, user string) string {
	return postgresURL(p.handle.state().Port, database, user)
}

func postgresURL(port int, database, user string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(user),
		Host:     loopback + ":" + strconv.Itoa(port),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Dir is the store's folder; the data directory is its `cluster`.
func (p *Postgres) Dir() string { return p.handle.state().Dir }

// PID is the postmaster's process id.
func (p *Postgres) PID() int { return p.handle.state().PID }

// Kill ends every process of the cluster with SIGKILL, as a power cut would.
// Restart recovers it.
func (p *Postgres) Kill(ctx context.Context) error { return p.handle.call(ctx, commandKill) }

// Restart starts the cluster again after Kill, on the same folder and port.
func (p *Postgres) Restart(ctx context.Context) error { return p.handle.call(ctx, commandStart) }

// Stop ends the cluster and removes a temporary folder.
func (p *Postgres) Stop() error { return p.handle.stop() }

// AllowLogins lets every role of the cluster log in. Migrations make roles that
// cannot, since their passwords are the operator's; here loopback is trusted.
func (p *Postgres) AllowLogins(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL("postgres", Superuser))
	if err != nil {
		return fmt.Errorf("embedded: allow logins: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	const statement = `DO $$ DECLARE r text; BEGIN
		FOR r IN SELECT rolname FROM pg_roles WHERE NOT rolcanlogin AND rolname NOT LIKE 'pg\_%' LOOP
			EXECUTE format('ALTER ROLE %I LOGIN', r);
		END LOOP; END $$`
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("embedded: allow logins: %w", err)
	}
	return nil
}
