package clickhousehttp

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/readside/readside/internal/embedded/libchdb"
	"github.com/readside/readside/internal/embedded/querytree"
)

// systemDatabases tell of the server and of all that is in it; no pattern opens them.
var systemDatabases = map[string]bool{"system": true, "information_schema": true, "INFORMATION_SCHEMA": true}

func (s *Server) readable(database string) bool {
	return !systemDatabases[database] && s.config.readable(database)
}

// learnFunctions asks the engine for its functions, once.
func learnFunctions(session *libchdb.Session) (*querytree.Functions, error) {
	var functions []querytree.Function
	err := rows(session, "SELECT name AS Name, alias_to AS AliasTo, trimBoth(categories) AS Category, toBool(is_aggregate) AS Aggregate FROM system.functions", &functions)
	if err != nil {
		return nil, err
	}
	var combinators []struct{ Name string }
	if err := rows(session, "SELECT name AS Name FROM system.aggregate_function_combinators", &combinators); err != nil {
		return nil, err
	}
	var names []string
	for _, c := range combinators {
		names = append(names, c.Name)
	}
	return querytree.NewFunctions(functions, names), nil
}

// rows reads the answer of a statement of our own.
func rows[T any](session *libchdb.Session, text string, into *[]T) error {
	answer, _, err := session.Query(text, "JSONEachRow", nil)
	if err != nil {
		return err
	}
	for decoder := json.NewDecoder(strings.NewReader(string(answer))); decoder.More(); {
		var row T
		if err := decoder.Decode(&row); err != nil {
			return err
		}
		*into = append(*into, row)
	}
	return nil
}

// judge decides whether the reader's statement may run. The session is the reader's own,
// with its limits.
func (s *Server) judge(session *libchdb.Session, q *request) error {
	if s.config.ReadersRefused != "" {
		return exception(497, "ACCESS_DENIED", "The SQL of readers is refused: %s. A setting of the store allows it nevertheless.", s.config.ReadersRefused)
	}
	if q.database != "" && q.database != "default" && !s.readable(q.database) {
		return exception(497, "ACCESS_DENIED", "The database %s is not for readers.", q.database)
	}
	if s.list(q) {
		return nil
	}
	if !session.ReadOnly(q.text) {
		return errReadOnly
	}
	// Settings of EXPLAIN stand first, so that none can be read from the statement.
	tree, _, err := session.Query("EXPLAIN AST optimize = 0 "+q.text, "TSVRaw", q.parameters)
	if err != nil {
		return err
	}
	var databases []struct{ Name string }
	if err := rows(session, "SELECT name AS Name FROM system.databases", &databases); err != nil {
		return err
	}
	rules := querytree.Rules{Functions: s.functions, Readable: s.readable, Databases: make(map[string]bool)}
	for _, d := range databases {
		rules.Databases[d.Name] = true
	}
	err = rules.Check(string(tree))
	if refusal := new(querytree.RefusedError); errors.As(err, &refusal) {
		return denied(refusal)
	}
	return err
}

// denied gives a refusal ClickHouse's code: settings and changes are refused to those who
// may only read, everything else for lack of a right.
func denied(refusal *querytree.RefusedError) error {
	if strings.Contains(refusal.What, "SETTINGS") {
		return exception(164, "READONLY", "%s: cannot modify settings in readonly mode.", refusal.Error())
	}
	return exception(497, "ACCESS_DENIED", "Not enough privileges: %s.", refusal.Error())
}

// The lists that readers may ask for, written in no other way: their tree hides what is
// listed and by which condition.
var (
	showTables    = regexp.MustCompile(`(?i)^SHOW\s+TABLES(?:\s+(?:FROM|IN)\s+([A-Za-z0-9_]+))?\s*;?$`)
	showDatabases = regexp.MustCompile(`(?i)^SHOW\s+DATABASES\s*;?$`)
)

// list replaces a list that a reader asks for by a statement of our own.
func (s *Server) list(q *request) bool {
	if showDatabases.MatchString(q.text) {
		q.text = "SELECT name FROM system.databases WHERE " + s.readableSQL() + " ORDER BY name"
		return true
	}
	found := showTables.FindStringSubmatch(q.text)
	if found == nil {
		return false
	}
	database := "currentDatabase()"
	if found[1] != "" {
		database = quote(found[1])
	}
	q.text = "SELECT name FROM system.tables WHERE database = " + database + " AND " +
		strings.ReplaceAll(s.readableSQL(), "name", "database") + " ORDER BY name"
	return true
}

// readableSQL is the condition on a database's name that readers may read it.
func (s *Server) readableSQL() string {
	var any []string
	for _, pattern := range s.config.Readable {
		any = append(any, fmt.Sprintf("match(name, %s)", quote(patternRegexp(pattern).String())))
	}
	return "(" + strings.Join(any, " OR ") + ") AND name NOT IN ('system', 'information_schema', 'INFORMATION_SCHEMA', '" + noDatabase + "')"
}
