package embedded

import (
	"context"
	"errors"
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
	// Version is a major version of Postgres such as "17". Empty: the one that
	// READSIDE_EMBEDDED_POSTGRES names, or else the machine's newest.
	Version string
	// ICULocale orders texts by an ICU locale such as "de-DE". Empty: by their bytes.
	ICULocale string
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

// URL addresses a database as a user. It holds the user's password, and works for
// the superuser at once and for other roles after AllowLogins or CreateRole.
func (p *Postgres) URL(database, user string) string {
	now := p.handle.state()
	return postgresURL(now.Port, database, user, secret(now.Secret))
}

func postgresURL(port int, database, user string, s secret) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, s.password(user)),
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

// AllowLogins lets every role of the cluster that has no password log in with the
// one that URL gives it. Migrations make roles that cannot log in, since their
// passwords are the operator's.
func (p *Postgres) AllowLogins(ctx context.Context) error {
	const query = `SELECT rolname::text FROM pg_authid WHERE rolpassword IS NULL AND rolname NOT LIKE 'pg\_%'`
	err := p.asSuperuser(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query)
		if err != nil {
			return err
		}
		roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
		for _, role := range roles {
			_, alterErr := conn.Exec(ctx, "ALTER ROLE "+p.login(role, ""))
			err = errors.Join(err, alterErr)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("embedded: allow logins: %w", err)
	}
	return nil
}

// CreateRole makes a role that may log in with the password that URL gives it.
// Attributes are those of SQL's CREATE ROLE, such as "CREATEROLE CREATEDB".
func (p *Postgres) CreateRole(ctx context.Context, role, attributes string) error {
	err := p.asSuperuser(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE ROLE "+p.login(role, attributes))
		return err
	})
	if err != nil {
		return fmt.Errorf("embedded: create role %s: %w", role, err)
	}
	return nil
}

// login is the rest of a statement that makes or alters a role.
func (p *Postgres) login(role, attributes string) string {
	password := secret(p.handle.state().Secret).password(role)
	return fmt.Sprintf("%s LOGIN PASSWORD '%s' %s", pgx.Identifier{role}.Sanitize(), password, attributes)
}

func (p *Postgres) asSuperuser(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, p.URL("postgres", Superuser))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(conn)
}
