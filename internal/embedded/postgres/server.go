package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/embedded/keeper"
)

// Superuser owns every embedded cluster.
const Superuser = "postgres"

// Options describes a cluster; the zero value is a temporary, fast one.
type Options struct {
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

// Server is a running cluster of our own.
type Server struct{ handle *keeper.Handle }

// Start starts a cluster and returns when it accepts connections. It is
// stopped by Stop, and by the end of this process, however that comes.
func Start(ctx context.Context, options Options) (*Server, error) {
	h, err := keeper.Spawn(ctx, childName, options)
	if err != nil {
		return nil, fmt.Errorf("start the embedded Postgres: %w", err)
	}
	return &Server{handle: h}, nil
}

// URL addresses a database as a user. It holds the user's password, and works for
// the superuser at once and for other roles after AllowLogins or CreateRole.
func (p *Server) URL(database, user string) string {
	now := p.handle.State()
	return address(now.Port, database, user, secret(now.Secret))
}

func address(port int, database, user string, s secret) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, s.password(user)),
		Host:     keeper.Loopback + ":" + strconv.Itoa(port),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Dir is the store's folder; the data directory is its `cluster`.
func (p *Server) Dir() string { return p.handle.State().Dir }

// PID is the postmaster's process id.
func (p *Server) PID() int { return p.handle.State().PID }

// Kill ends every process of the cluster with SIGKILL, as a power cut would.
// Restart recovers it.
func (p *Server) Kill(ctx context.Context) error { return p.handle.Call(ctx, keeper.CommandKill) }

// Restart starts the cluster again after Kill, on the same folder and port.
func (p *Server) Restart(ctx context.Context) error { return p.handle.Call(ctx, keeper.CommandStart) }

// Stop ends the cluster and removes a temporary folder.
func (p *Server) Stop() error { return p.handle.Stop() }

// AllowLogins lets every role of the cluster that has no password log in with the
// one that URL gives it. Migrations make roles that cannot log in, since their
// passwords are the operator's.
func (p *Server) AllowLogins(ctx context.Context) error {
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
func (p *Server) CreateRole(ctx context.Context, role, attributes string) error {
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
func (p *Server) login(role, attributes string) string {
	password := secret(p.handle.State().Secret).password(role)
	return fmt.Sprintf("%s LOGIN PASSWORD '%s' %s", pgx.Identifier{role}.Sanitize(), password, attributes)
}

func (p *Server) asSuperuser(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, p.URL("postgres", Superuser))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(conn)
}
