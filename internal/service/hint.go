package service

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/eventlog"
	owner "github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/operate/parked"
	"github.com/readside/readside/projections/operate/rebuild"
)

// Postgres' codes for what goes wrong when a service connects as its role.
const (
	codeNoSuchRole  = "22023" // invalid_parameter_value: of the parameter role
	codeNotMember   = "42501" // insufficient_privilege
	codeMayNotLogin = "28000" // invalid_authorization_specification
	codePassword    = "28P01" // invalid_password
	codeNoDatabase  = "3D000" // invalid_catalog_name
	codeNoSchema    = "3F000" // invalid_schema_name
	codeNoTable     = "42P01" // undefined_table
	codeNoFunction  = "42883" // undefined_function
)

// hints are what to do about errors that are known by name; each names the program once.
var hints = []struct {
	of   error
	text string
}{
	{eventlog.ErrNoSchema, "run `%s migrate up`"},
	{control.ErrNoProjector, "run `%s project` with these definitions first"},
	{control.ErrNotLive, "`%s project` builds it"},
	{rebuild.ErrSourceWaits, "`%s parked list` shows it"},
	{parked.ErrNothingWaits, "`%s parked list` shows what does"},
	{cold.ErrNotStarted, "start it with `%s project`"},
}

// Hinted adds to the error of a command what to do about it, by the commands of a program.
func Hinted(program string, err error) error {
	if err == nil {
		return nil
	}
	for _, h := range hints {
		if errors.Is(err, h.of) {
			return fmt.Errorf("%w: "+h.text, err, program)
		}
	}
	var none *owner.UnrecordedError
	if errors.Is(err, owner.ErrNotMigrated) || errors.As(err, &none) {
		return fmt.Errorf("%w: run `%s migrate up`", err, program)
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case codeNoTable, codeNoSchema, codeNoFunction:
		return fmt.Errorf("%w: the database lacks what the migrations make: run `%s migrate up`", err, program)
	case codeNoDatabase:
		return fmt.Errorf("%w: create the database, or name another in the address", err)
	case codeNoSuchRole:
		return fmt.Errorf("%w: run `%s migrate up`, which makes the roles", err, program)
	case codeNotMember:
		return fmt.Errorf("%w: connect as a member of the role, or give the role a password and set its own URL; `%s help config` lists them", err, program)
	case codeMayNotLogin, codePassword:
		return fmt.Errorf("%w: run `%[2]s migrate up` if the role is missing, and give it LOGIN and a password, or set another URL; `%[2]s help config` lists them", err, program)
	}
	return err
}
