// Package session makes a connection to Postgres what the programs count on, whatever
// database, role, server and pooler set by default: exact texts of numbers and times, no
// time limits but the program's own, the isolation that its statements were written for,
// and the role that it was to act as. What cannot be had is refused with what is wrong
// and how to fix it.
package session

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/internal/pooler"
)

// Needs are what a program wants of its connections.
type Needs struct {
	// ReadOnly connections begin their transactions read only, and may be to a standby.
	// All others write, and need a primary.
	ReadOnly bool
	// Durable connections append events: their commits are on disk when they return.
	Durable bool
	// Kept reports whether the caller has found out how the address reaches the server, and that
	// its sessions are kept. All others refuse a pooler that shares server processes.
	Kept bool
	// Settings are the program's own, over the common ones.
	Settings map[string]string
}

// common are the settings of every connection. Each could be another one by ALTER
// DATABASE, ALTER ROLE or the server's configuration, and would change what statements
// answer, or end them.
var common = map[string]string{
	// Limits would end a build or a verification, and it would begin anew for ever.
	"statement_timeout": "0", "lock_timeout": "0", "transaction_timeout": "0",
	"idle_in_transaction_session_timeout": "0", "idle_session_timeout": "0",
	// Statements are written for a snapshot each, unless a transaction says otherwise.
	"default_transaction_isolation": "read committed", "default_transaction_deferrable": "off",
	// Texts that are compared, hashed and copied have one form.
	"extra_float_digits": "1", "DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "TimeZone": "UTC",
	"bytea_output": "hex", "client_encoding": "UTF8",
	// Statements mean what they say.
	"standard_conforming_strings": "on", "backslash_quote": "safe_encoding", "transform_null_equals": "off", "array_nulls": "on",
	"search_path": `"$user", public`, "row_security": "on",
	// Statements read few rows of tables that the planner takes for large ones: compiling
	// them took seconds on a busy machine, and probes gave up meanwhile.
	"jit": "off",
}

// settingSQL sets what the server knows; older ones lack some. An asynchronous commit
// would acknowledge events that a crash loses; a stricter one than on is kept.
const settingSQL = `
select set_config(v.name, v.value, false)
  from unnest($1::text[], $2::text[]) as v (name, value)
 where current_setting(v.name, true) is not null
   and (v.name <> 'synchronous_commit' or current_setting('synchronous_commit') = 'off')`

const checkSQL = `select current_user, pg_is_in_recovery(), current_setting('transaction_read_only')`

// Prepare makes connections of a configuration as they are needed. The role that the
// address asks for is set by a statement and then looked at: a pooler may drop what comes
// with the connection. An address with several hosts finds the first that serves. Where
// a pooler shares server processes among transactions no session can be prepared, and
// every connection fails with a *pooler.Error.
func Prepare(c *pgconn.Config, n Needs) {
	role := c.RuntimeParams["role"]
	delete(c.RuntimeParams, "role")
	settings := maps.Clone(common)
	settings["default_transaction_read_only"] = "off"
	if n.ReadOnly {
		settings["default_transaction_read_only"] = "on"
	}
	if n.Durable {
		settings["synchronous_commit"] = "on"
	}
	maps.Copy(settings, n.Settings)
	for name := range settings {
		// By a statement only: PgBouncer refuses connections that ask for settings.
		delete(c.RuntimeParams, name)
	}
	p := prepared{settings: settings, role: role, readOnly: n.ReadOnly}
	c.ValidateConnect = p.validate(c.ValidateConnect)
	if !n.Kept {
		pooler.Forbid(c)
	}
}

type prepared struct {
	settings map[string]string
	role     string
	readOnly bool
}

// validate prepares a connection, and lets before, if there is one, judge the server.
func (p prepared) validate(before pgconn.ValidateConnectFunc) pgconn.ValidateConnectFunc {
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		if before == nil {
			return p.apply(ctx, conn)
		}
		// What was asked before, as target_session_attrs is, is of the server: a session that
		// reads only by its own will must not look like a server that cannot be written to.
		writing := p
		if p.readOnly {
			writing.settings = maps.Clone(p.settings)
			writing.settings["default_transaction_read_only"] = "off"
		}
		if err := writing.apply(ctx, conn); err != nil {
			return err
		}
		if err := before(ctx, conn); err != nil || !p.readOnly {
			return err
		}
		return p.apply(ctx, conn)
	}
}

func (p prepared) apply(ctx context.Context, conn *pgconn.PgConn) error {
	names := slices.Sorted(maps.Keys(p.settings))
	values := make([]string, len(names))
	for i, name := range names {
		values[i] = p.settings[name]
	}
	if p.role != "" {
		names, values = append(names, "role"), append(values, p.role)
	}
	// Alone and first: an inherited limit of milliseconds would end the statement below.
	if err := conn.Exec(ctx, "set statement_timeout = 0").Close(); err != nil {
		return fmt.Errorf("prepare the connection: %w", err)
	}
	if _, err := one(ctx, conn, settingSQL, array(names), array(values)); err != nil {
		return fmt.Errorf("prepare the connection: %w", err)
	}
	state, err := one(ctx, conn, checkSQL)
	if err != nil {
		return fmt.Errorf("look at the connection: %w", err)
	}
	return p.check(string(state[0]), string(state[1]) == "t", string(state[2]) == "on")
}

func (p prepared) check(user string, standby, readOnly bool) error {
	switch {
	case p.role != "" && user != p.role:
		return &Error{WrongRole, fmt.Sprintf("the connection acts as role %q and not as %q", user, p.role),
			"connect to Postgres directly, or through a pooler in session mode: this one drops the session's role"}
	case p.readOnly:
		return nil
	case standby:
		return &Error{Standby, "the server is a standby, which cannot be written to",
			"give the address of the primary, or of all hosts with target_session_attrs=read-write"}
	case readOnly:
		return &Error{ReadOnly, "the connection is read only, though it asked for another one",
			"connect to Postgres directly, or through a pooler in session mode: this one drops the session's settings"}
	}
	return nil
}

// one runs a statement and returns its last row.
func one(ctx context.Context, conn *pgconn.PgConn, sql string, args ...string) ([][]byte, error) {
	params := make([][]byte, len(args))
	for i, a := range args {
		params[i] = []byte(a)
	}
	result := conn.ExecParams(ctx, sql, params, nil, nil, nil).Read()
	if result.Err != nil {
		return nil, result.Err
	}
	if len(result.Rows) == 0 {
		return nil, fmt.Errorf("the server answered no row")
	}
	return result.Rows[len(result.Rows)-1], nil
}

// array writes texts as Postgres reads an array of them.
func array(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(t) + `"`
	}
	return "{" + strings.Join(quoted, ",") + "}"
}

// Problem is why a connection cannot be used.
type Problem string

// The problems.
const (
	Standby   Problem = "standby"
	ReadOnly  Problem = "read only"
	WrongRole Problem = "wrong role"
)

// Error is why a connection cannot be used, and what to do about it.
type Error struct {
	Problem Problem
	Message string
	Hint    string
}

func (e *Error) Error() string { return e.Message + ": " + e.Hint }
