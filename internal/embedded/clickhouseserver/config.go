// Package clickhouseserver writes the configuration that a `clickhouse` program serves as
// an embedded ClickHouse: on the loopback only, with a password for every user, and with
// the grants, limits and quota that readers have on the library (clickhousehttp) and, by
// deploy/clickhouse/readers.sql, on a server of one's own.
//
// A grant names databases: of the patterns for readers, those that hold a * are granted
// only where they are a * alone.
package clickhouseserver

import (
	"bytes"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/readside/readside/internal/embedded/clickhousehttp"
)

// Server is what a program is to serve.
type Server struct {
	// Data is the folder of all that it writes, Host and Port where it listens.
	Data, Host string
	Port       int
	// UsersFile is where the text of Users will stand.
	UsersFile string
}

// Config is the text of the server's configuration. It opens the HTTP port and no other
// one, and reaches no other server.
func (s Server) Config() ([]byte, error) {
	within := func(folder string) string { return strings.TrimSuffix(s.Data, "/") + "/" + folder }
	return text(element{"clickhouse", "", []element{
		{"logger", "", []element{value("level", "warning"), value("console", "true")}},
		value("listen_host", s.Host),
		value("http_port", strconv.Itoa(s.Port)),
		value("path", within("")),
		value("tmp_path", within("tmp/")),
		value("user_files_path", within("user_files/")),
		value("format_schema_path", within("format_schemas/")),
		{"user_directories", "", []element{{"users_xml", "", []element{value("path", s.UsersFile)}}}},
		value("users_config", s.UsersFile), // as servers of former versions call it
		value("default_profile", "default"),
		value("default_database", "default"),
		value("timezone", "UTC"),
		value("mark_cache_size", strconv.Itoa(256<<20)), // of a demo: the default is 5 GiB
		value("remote_url_allow_hosts", ""),             // there, and empty: no host
		{"send_crash_reports", "", []element{value("enabled", "false")}},
	}})
}

// Users is the text of the users, with the hashes of their passwords.
func Users(config clickhousehttp.Config) ([]byte, error) {
	profiles := []element{{"default", "", nil}}
	quotas := []element{{"default", "", nil}}
	var users []element
	for _, u := range config.Users {
		profile := "default"
		if !u.Writes {
			profile = u.Name
			profiles = append(profiles, profileOf(u))
		}
		quota := "default"
		if u.Limits.StatementsMax > 0 {
			quota = u.Name
			quotas = append(quotas, quotaOf(u))
		}
		users = append(users, element{u.Name, "", []element{
			value("password_sha256_hex", hex.EncodeToString(u.Secret[:])),
			{"networks", "", []element{value("ip", "127.0.0.1")}},
			value("profile", profile),
			value("quota", quota),
			{"grants", "", grantsOf(u, config.Readable)},
		}})
	}
	return text(element{"clickhouse", "", []element{{"profiles", "", profiles}, {"users", "", users}, {"quotas", "", quotas}}})
}

// writersGrants are all that a projector and the tests do: none is for sources, as FILE and
// URL are, for dictionaries, or for users.
var writersGrants = []string{
	"GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP DATABASE, DROP TABLE, DROP VIEW, TRUNCATE, OPTIMIZE, KILL QUERY ON *.*",
}

func grantsOf(u clickhousehttp.User, readable []string) (grants []element) {
	if u.Writes {
		for _, grant := range writersGrants {
			grants = append(grants, value("query", grant))
		}
		return grants
	}
	for _, database := range readable {
		switch {
		case database == "*":
			grants = append(grants, value("query", "GRANT SELECT ON *.*"))
		case !strings.Contains(database, "*"):
			grants = append(grants, value("query", "GRANT SELECT ON "+quoted(database)+".*"))
		}
	}
	return grants
}

// quoted is a name between backquotes.
func quoted(name string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(name) + "`"
}

// profileOf are a reader's settings: fixed ones hold against the address and the statement,
// bounded ones may be lowered, and the time raised to twice of it, since drivers derive it
// from their own patience.
func profileOf(u clickhousehttp.User) element {
	var settings, constraints []element
	fixed := func(name, v string) {
		settings = append(settings, value(name, v))
		constraints = append(constraints, element{name, "", []element{value("readonly", "")}})
	}
	bounded := func(name string, v, most uint64) {
		settings = append(settings, value(name, strconv.FormatUint(v, 10)))
		constraints = append(constraints, element{name, "", []element{value("min", "1"), value("max", strconv.FormatUint(most, 10))}})
	}
	l := u.Limits
	seconds := func(d time.Duration) uint64 { return uint64(d / time.Second) }
	fixed("readonly", "2")
	fixed("allow_ddl", "0")
	fixed("allow_introspection_functions", "0")
	fixed("format_schema", "")
	fixed("timeout_overflow_mode", "throw")
	fixed("result_overflow_mode", "throw")
	fixed("max_concurrent_queries_for_user", strconv.Itoa(l.Slots))
	fixed("max_memory_usage_for_user", strconv.FormatUint(l.MemoryBytesMax*uint64(l.Slots), 10))
	fixed("max_temporary_data_on_disk_size_for_user", "1000000000")
	bounded("max_execution_time", seconds(l.TimeMax), 2*seconds(l.TimeMax))
	bounded("max_memory_usage", l.MemoryBytesMax, l.MemoryBytesMax)
	bounded("max_result_rows", l.RowsMax, l.RowsMax)
	bounded("max_result_bytes", l.BytesMax, l.BytesMax)
	bounded("max_threads", l.ThreadsMax, l.ThreadsMax)
	bounded("http_send_timeout", seconds(l.WriteMax), 30)
	bounded("http_receive_timeout", seconds(l.ArriveMax), 30)
	return element{u.Name, "", append(settings, element{"constraints", "", constraints})}
}

func quotaOf(u clickhousehttp.User) element {
	return element{u.Name, "", []element{{"interval", "", []element{
		value("duration", "60"),
		value("queries", strconv.Itoa(u.Limits.StatementsMax)),
		value("execution_time", strconv.FormatInt(int64(u.Limits.BusyMax/time.Second), 10)),
	}}}}
}

// element is one of XML: settings are named by elements, so that no struct has them.
type element struct {
	name, text string
	inner      []element
}

func value(name, text string) element { return element{name, text, nil} }

// MarshalXML writes the element under its own name.
func (e element) MarshalXML(to *xml.Encoder, _ xml.StartElement) error {
	start := xml.StartElement{Name: xml.Name{Local: e.name}}
	if err := to.EncodeToken(start); err != nil {
		return err
	}
	if err := to.EncodeToken(xml.CharData(e.text)); err != nil {
		return err
	}
	for _, inner := range e.inner {
		if err := inner.MarshalXML(to, xml.StartElement{}); err != nil {
			return err
		}
	}
	return to.EncodeToken(start.End())
}

func text(e element) ([]byte, error) {
	var out bytes.Buffer
	to := xml.NewEncoder(&out)
	to.Indent("", "  ")
	if err := to.Encode(e); err != nil {
		return nil, fmt.Errorf("write ClickHouse's configuration: %w", err)
	}
	return append(out.Bytes(), '\n'), nil
}
