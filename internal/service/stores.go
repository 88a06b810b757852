package service

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/readside/readside/projections/cold"
)

// Roles that the migrations make, as which the services connect.
const (
	RoleProjector = "readside_projector"
	RoleQuery     = "readside_query"
	RoleImporter  = "readside_importer"
)

// Stores says where the stores are, read from the environment by envconfig with the
// prefix READSIDE.
type Stores struct {
	// Application is the one that the stores belong to. The program says which it is, not
	// the environment: an operator who could set it could let a program drop another's tables.
	Application string `ignored:"true"`

	PostgresURL    string `envconfig:"POSTGRES_URL" desc:"Postgres of the log and the views; the demo starts one of its own where it is empty"`
	ProjectorURL   string `envconfig:"PROJECTOR_URL" desc:"Postgres for project, status, rebuild, parked, verify, explain and events; default: POSTGRES_URL acting as role readside_projector"`
	QueryURL       string `envconfig:"QUERY_URL" desc:"Postgres for serve; default: POSTGRES_URL acting as role readside_query"`
	ImporterURL    string `envconfig:"IMPORTER_URL" desc:"Postgres for events import; default: POSTGRES_URL acting as role readside_importer"`
	ClickHouseURL  string `envconfig:"CLICKHOUSE_URL" desc:"ClickHouse of the facts, as http://user:password@host:8123/database; the demo starts one of its own where it is empty"`
	ClickHouseMart string `envconfig:"MART_URL" desc:"the analysts' database in ClickHouse for serve, best as a user that may only read; default: CLICKHOUSE_URL with the database mart (for readside), or its name with _mart behind it"`
}

// ErrNoPostgres and ErrNoClickHouse say which variable is missing and how to set it.
var (
	ErrNoPostgres = errors.New("READSIDE_POSTGRES_URL is not set: point it at a Postgres, as " +
		"READSIDE_POSTGRES_URL=postgres://user:password@127.0.0.1:5432/database, or run `readside demo`, which starts one of its own")
	ErrNoClickHouse = errors.New("READSIDE_CLICKHOUSE_URL is not set: point it at a ClickHouse, as " +
		"READSIDE_CLICKHOUSE_URL=http://user:password@127.0.0.1:8123/database, or run `readside demo`, which starts one of its own")
)

// renamed are variables of former versions with what they are called now.
var renamed = map[string]string{"READSIDE_CLICKHOUSE_MART_URL": "READSIDE_MART_URL"}

// CheckNames returns an error for a variable of a former version that is set: nobody
// would read it, and the default in its place might be another store.
func CheckNames(lookup func(name string) (string, bool)) error {
	var faults []error
	for before, now := range renamed {
		if value, set := lookup(before); set && value != "" {
			faults = append(faults, fmt.Errorf("%s is called %s now: set that and unset the other", before, now))
		}
	}
	return errors.Join(faults...)
}

// Admin is the address that migrates.
func (s Stores) Admin() (string, error) {
	if s.PostgresURL == "" {
		return "", ErrNoPostgres
	}
	return s.PostgresURL, nil
}

// Projector is the address of whoever folds, checks and looks.
func (s Stores) Projector() (string, error) { return s.as(s.ProjectorURL, RoleProjector) }

// Query is the address of the query service.
func (s Stores) Query() (string, error) { return s.as(s.QueryURL, RoleQuery) }

// Importer is the address of whoever imports events.
func (s Stores) Importer() (string, error) { return s.as(s.ImporterURL, RoleImporter) }

// ClickHouse is the address of whoever writes facts.
func (s Stores) ClickHouse() (string, error) {
	if s.ClickHouseURL == "" {
		return "", ErrNoClickHouse
	}
	return s.ClickHouseURL, nil
}

// Mart is the address of whoever reads facts: in the database of documented views.
func (s Stores) Mart() (string, error) {
	if s.ClickHouseMart != "" {
		return s.ClickHouseMart, nil
	}
	address, err := s.ClickHouse()
	if err != nil {
		return "", err
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("READSIDE_CLICKHOUSE_URL is no address like http://user:password@127.0.0.1:8123/database")
	}
	u.Path = "/" + cold.MartDatabase(strings.TrimPrefix(u.Path, "/"))
	return u.String(), nil
}

func (s Stores) as(own, role string) (string, error) {
	if own != "" {
		return acting(own, role), nil
	}
	if s.PostgresURL == "" {
		return "", ErrNoPostgres
	}
	return As(s.PostgresURL, role)
}

// acting lets a login of a program's own act as the program's role, unless its address
// names a role: tables are then the role's and not the login's, and everybody who may
// read the role's tables may read them.
func acting(address, role string) string {
	if withRole, err := As(address, role); err == nil {
		if u, err := url.Parse(address); err == nil && u.Query().Get("role") != "" {
			return address
		}
		return withRole
	}
	if strings.Contains(address, "=") && !strings.Contains(address, "role=") { // keywords and values
		return address + " role=" + role
	}
	return address
}

// As lets the user of a URL act as a role from the first statement on. The roles that
// migrations make have no password and cannot log in; whoever owns the database, or is
// a member of the role, can be it nevertheless.
func As(postgresURL, role string) (string, error) {
	u, err := url.Parse(postgresURL)
	if err != nil || u.Host == "" && u.Path == "" || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", fmt.Errorf("READSIDE_POSTGRES_URL is no address like postgres://user:password@127.0.0.1:5432/database")
	}
	query := u.Query()
	query.Set("role", role)
	u.RawQuery = query.Encode()
	return u.String(), nil
}
