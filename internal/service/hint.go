package service

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	owner "github.com/readside/readside/projections/application"
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

// Hinted adds to a failed connection what to do about it.
func Hinted(err error) error {
	var none *owner.UnrecordedError
	if errors.Is(err, owner.ErrNotMigrated) || errors.As(err, &none) {
		return fmt.Errorf("%w: run `readside migrate up`", err)
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case codeNoTable, codeNoSchema, codeNoFunction:
		return fmt.Errorf("%w: the database lacks what the migrations make: run `readside migrate up`", err)
	case codeNoDatabase:
		return fmt.Errorf("%w: create the database, or name another in the address", err)
	case codeNoSuchRole:
		return fmt.Errorf("%w: run `readside migrate up`, which makes the roles", err)
	case codeNotMember:
		return fmt.Errorf("%w: connect as a member of the role, or give the role a password and set its own URL; `readside help config` lists them", err)
	case codeMayNotLogin, codePassword:
		return fmt.Errorf("%w: run `readside migrate up` if the role is missing, and give it LOGIN and a password, or set another URL; `readside help config` lists them", err)
	}
	return err
}
