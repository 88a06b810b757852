package clickhousehttp

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
)

// statementBytesMax bounds a statement that comes as text.
const statementBytesMax = 64 << 20

// request is one statement and how its answer is wanted.
type request struct {
	id         string
	user       string
	database   string
	text       string
	insert     *insertion // set when the rows come in the body
	format     string
	parameters map[string]string
	settings   map[string]string
	revision   int // the client's protocol revision
	compress   compress.Method
}

// insertion is an INSERT whose rows follow in a format.
type insertion struct {
	head, format string
	rows         io.Reader
}

func parseRequest(r *http.Request, id string) (*request, error) {
	values := r.URL.Query()
	user, err := authenticate(r)
	if err != nil {
		return nil, err
	}
	body, err := decode(r, values)
	if err != nil {
		return nil, err
	}
	q := &request{
		id:       id,
		user:     user,
		database: values.Get("database"),
		format:   "TabSeparated",
		compress: compress.None,
	}
	q.parameters, q.settings = splitValues(values)
	q.revision, _ = strconv.Atoi(values.Get("client_protocol_version")) // absent: an unversioned client
	if f := firstOf(r.Header.Get("X-ClickHouse-Format"), values.Get("default_format")); f != "" {
		q.format = f
	}
	if values.Get("compress") == "1" {
		q.compress = compressionMethod(values.Get("network_compression_method"))
	}
	if err := q.readStatement(values.Get("query"), body); err != nil {
		return nil, err
	}
	return q, errors.Join(refuseOutside(q.text), q.refuseKill())
}

var killStatement = regexp.MustCompile(`(?is)^(\s|/\*.*?\*/|--[^\n]*\n)*KILL\s`)

// refuseKill keeps a reader from the queries of others: the engine knows one user
// only, and lets that one kill its own even when it may only read.
func (q *request) refuseKill() error {
	if q.user == UserReader && killStatement.MatchString(q.text) {
		return exception(164, "READONLY", "Cannot execute query in readonly mode.")
	}
	return nil
}

// authenticate accepts the two users, by whichever of HTTP's ways.
func authenticate(r *http.Request) (string, error) {
	name, _, _ := r.BasicAuth()
	name = firstOf(name, r.Header.Get("X-ClickHouse-User"), r.URL.Query().Get("user"), UserDefault)
	if name != UserDefault && name != UserReader {
		return "", exception(516, "AUTHENTICATION_FAILED", "%s: Authentication failed: password is incorrect, or there is no user with such name.", name)
	}
	if r.Method == http.MethodGet { // as ClickHouse: a link must not change anything
		return UserReader, nil
	}
	return name, nil
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// decode undoes both kinds of compression of a body.
func decode(r *http.Request, values url.Values) (io.Reader, error) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return nil, exception(48, "NOT_IMPLEMENTED", "External tables are not served by the embedded ClickHouse.")
	}
	var body io.Reader = r.Body
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "":
	case "gzip":
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return nil, fmt.Errorf("gzip body: %w", err)
		}
		body = unzipped
	default:
		return nil, exception(48, "NOT_IMPLEMENTED", "Content-Encoding %s is not served by the embedded ClickHouse.", encoding)
	}
	if values.Get("decompress") == "1" {
		body = compress.NewReader(body)
	}
	return body, nil
}

func compressionMethod(name string) compress.Method {
	if strings.EqualFold(name, "ZSTD") {
		return compress.ZSTD
	}
	return compress.LZ4
}

// insertPattern is an INSERT that ends in its format: its rows come behind it.
var insertPattern = regexp.MustCompile(`(?is)^\s*(INSERT\s+INTO\s.*?)\sFORMAT\s+([A-Za-z0-9]+)\s*;?\s*$`)

// readStatement takes the statement from the address, as inserts have it, or from
// the body.
func (q *request) readStatement(text string, body io.Reader) error {
	if found := insertPattern.FindStringSubmatch(text); found != nil {
		q.text, q.insert = text, &insertion{head: found[1], format: found[2], rows: body}
		return nil
	}
	rest, err := io.ReadAll(io.LimitReader(body, statementBytesMax+1))
	if err != nil {
		return fmt.Errorf("read the statement: %w", err)
	}
	if len(rest) > statementBytesMax {
		return exception(62, "SYNTAX_ERROR", "The statement is larger than %d bytes.", statementBytesMax)
	}
	q.text = strings.TrimSpace(text + "\n" + string(rest))
	q.text = answerToQueryID(q.text)
	return nil
}

// Statements that name other queries by id: here the id stands in a setting.
var (
	aboutQueries   = regexp.MustCompile(`(?is)^\s*KILL\s|\bsystem\s*\.\s*processes\b`)
	queryIDCompare = regexp.MustCompile(`(?i)\bquery_id(\s*=|\s+IN\b)`)
)

func answerToQueryID(text string) string {
	if !aboutQueries.MatchString(text) {
		return text
	}
	return queryIDCompare.ReplaceAllString(text, "Settings['log_comment']$1")
}
