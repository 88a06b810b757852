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
// program's prefix.
type Stores struct {
	// Application is the one that the stores belong to. The program says which it is, not
	// the environment: an operator who could set it could let a program drop another's tables.
	Application string `ignored:"true"`
	// Program is the name of the program, and Variables the beginning of its variables' names,
	// such as "READSIDE_", for messages.
	Program   string `ignored:"true"`
	Variables string `ignored:"true"`
	// StartsOwn reports whether the program can start stores by itself.
	StartsOwn bool `ignored:"true"`

	PostgresURL    string `envconfig:"POSTGRES_URL" desc:"Postgres of the log and the views; up starts one of its own where it is empty"`
	ProjectorURL   string `envconfig:"PROJECTOR_URL" desc:"Postgres for project, status, rebuild, parked, verify, explain and events; default: POSTGRES_URL acting as role readside_projector"`
	QueryURL       string `envconfig:"QUERY_URL" desc:"Postgres for serve; default: POSTGRES_URL acting as role readside_query"`
	ImporterURL    string `envconfig:"IMPORTER_URL" desc:"Postgres for events import; default: POSTGRES_URL acting as role readside_importer"`
	ClickHouseURL  string `envconfig:"CLICKHOUSE_URL" desc:"ClickHouse of the facts, as http://user:password@host:8123/database; up starts one of its own where it is empty"`
	ClickHouseMart string `envconfig:"MART_URL" desc:"the analysts' database in ClickHouse for serve, best as a user that may only read; default: CLICKHOUSE_URL with the database mart (for readside), or its name with _mart behind it"`
}

// ErrNoPostgres and ErrNoClickHouse are returned where no store is named and one is needed.
var (
	ErrNoPostgres   = errors.New("no Postgres is named")
	ErrNoClickHouse = errors.New("no ClickHouse is named")
)

// missing is the error of a store that is not named, with how to name it.
func (s Stores) missing(of error, variable, store, example string) error {
	err := fmt.Errorf("%w: %s%s is not set: point it at a %s, as %[2]s%[3]s=%[5]s", of, s.Variables, variable, store, example)
	if !s.StartsOwn {
		return err
	}
	return fmt.Errorf("%w, or run `%s up`, which starts one of its own", err, s.Program)
}

func (s Stores) noPostgres() error {
	return s.missing(ErrNoPostgres, "POSTGRES_URL", "Postgres", "postgres://user:password@127.0.0.1:5432/database")
}

func (s Stores) noClickHouse() error {
	return s.missing(ErrNoClickHouse, "CLICKHOUSE_URL", "ClickHouse", "http://user:password@127.0.0.1:8123/database")
}

// renamed are variables of former versions, without their prefix, with what they are
// called now.
var renamed = map[string]string{"CLICKHOUSE_MART_URL": "MART_URL"}

// CheckNames returns an error for a variable of a former version that is set: nobody
// would read it, and the default in its place might be another store. All names begin with
// prefix, such as "READSIDE_".
func CheckNames(prefix string, lookup func(name string) (string, bool)) error {
	var faults []error
	for before, now := range renamed {
		if value, set := lookup(prefix + before); set && value != "" {
			faults = append(faults, fmt.Errorf("%s is called %s now: set that and unset the other", prefix+before, prefix+now))
		}
	}
	return errors.Join(faults...)
}

// Admin is the address that migrates.
func (s Stores) Admin() (string, error) {
	if s.PostgresURL == "" {
		return "", s.noPostgres()
	}
	return s.PostgresURL, nil
}

// Projector is the address of the role that folds, checks and looks.
func (s Stores) Projector() (string, error) { return s.as(s.ProjectorURL, RoleProjector) }

// Query is the address of the query service.
func (s Stores) Query() (string, error) { return s.as(s.QueryURL, RoleQuery) }

// Importer is the address of the role that imports events.
func (s Stores) Importer() (string, error) { return s.as(s.ImporterURL, RoleImporter) }

// ClickHouse is the address of the user who writes facts.
func (s Stores) ClickHouse() (string, error) {
	if s.ClickHouseURL == "" {
		return "", s.noClickHouse()
	}
	return s.ClickHouseURL, nil
}

// Mart is the address of the user who reads facts: in the database of documented views.
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
		return "", fmt.Errorf("%sCLICKHOUSE_URL is no address like http://user:password@127.0.0.1:8123/database", s.Variables)
	}
	u.Path = "/" + cold.MartDatabase(strings.TrimPrefix(u.Path, "/"))
	return u.String(), nil
}

func (s Stores) as(own, role string) (string, error) {
	if own != "" {
		return acting(own, role), nil
	}
	if s.PostgresURL == "" {
		return "", s.noPostgres()
	}
	return s.Acting(role)
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
// migrations make have no password and cannot log in; the role that owns the database, or is
// a member of the role, can be it nevertheless.
func As(postgresURL, role string) (string, error) {
	u, err := url.Parse(postgresURL)
	if err != nil || u.Host == "" && u.Path == "" || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", fmt.Errorf("this is no address like postgres://user:password@127.0.0.1:5432/database")
	}
	query := u.Query()
	query.Set("role", role)
	u.RawQuery = query.Encode()
	return u.String(), nil
}
