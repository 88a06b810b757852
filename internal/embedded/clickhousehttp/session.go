package clickhousehttp

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/readside/readside/internal/embedded/libchdb"
)

// notSettings are the address's parameters that mean something to HTTP, not to the
// engine.
var notSettings = map[string]bool{
	"query": true, "query_id": true, "database": true, "default_format": true,
	"user": true, "password": true, "quota_key": true, "role": true,
	"client_protocol_version": true, "compress": true, "decompress": true,
	"network_compression_method": true, "network_zstd_compression_level": true,
	"wait_end_of_query": true, "buffer_size": true, "stacktrace": true,
	"session_id": true, "session_timeout": true, "session_check": true, "close_session": true,
}

// parameterPrefix marks the value of a {name:Type} in the statement.
const parameterPrefix = "param_"

// splitValues sorts the address's parameters into the statement's and the settings.
func splitValues(values url.Values) (parameters, settings map[string]string) {
	parameters, settings = make(map[string]string), make(map[string]string)
	for name := range values {
		if parameter, is := strings.CutPrefix(name, parameterPrefix); is {
			parameters[parameter] = values.Get(name)
		} else if !notSettings[name] {
			settings[name] = values.Get(name)
		}
	}
	return parameters, settings
}

// session opens an engine session as the request wants it. Read-only comes last: nothing
// could be set after it.
func (s *Server) session(q *request) (*libchdb.Session, error) {
	session, err := s.engine.Connect()
	if err != nil {
		return nil, err
	}
	for _, statement := range q.preparation() {
		if err := session.Execute(statement); err != nil {
			session.Close()
			return nil, err
		}
	}
	return session, nil
}

// noDatabase is where readers are who named no database: it has no tables.
const noDatabase = "of_no_database"

func (q *request) preparation() []string {
	var statements []string
	database := q.database
	if q.readOnly && (database == "" || database == "default") {
		database = noDatabase
	}
	if database != "" && database != "default" {
		statements = append(statements, "USE "+quoteName(database))
	}
	// The engine gives statements ids of its own; ours travels as the comment.
	q.settings["log_comment"] = q.id
	var sets []string
	for _, name := range slices.Sorted(maps.Keys(q.settings)) {
		sets = append(sets, settingName(name)+" = "+quote(q.settings[name]))
	}
	statements = append(statements, "SET "+strings.Join(sets, ", "))
	if q.readOnly {
		statements = append(statements, "SET readonly = 1")
	}
	return statements
}

func quoteName(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}

var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// settingName keeps a name from being more than a name; the engine then refuses it.
func settingName(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return "unknown_setting"
}
