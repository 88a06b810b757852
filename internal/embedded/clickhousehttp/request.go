package clickhousehttp

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
)

// request is one statement and how its answer is wanted.
type request struct {
	id         string
	user       *User
	readOnly   bool // whatever its user may
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

// parseRequest reads a statement. Its user is known: nothing of a stranger's is read but
// the header.
func parseRequest(r *http.Request, id string, user *User) (*request, error) {
	values := r.URL.Query()
	q := &request{
		id:       id,
		user:     user,
		readOnly: !user.Writes || r.Method == http.MethodGet, // as ClickHouse: a link must not change anything
		database: firstOf(r.Header.Get("X-ClickHouse-Database"), values.Get("database")),
		format:   "TabSeparated",
		compress: compress.None,
	}
	body, err := decode(r, values, q.readOnly)
	if err != nil {
		return nil, err
	}
	q.parameters, q.settings = splitValues(values)
	q.revision, _ = strconv.Atoi(values.Get("client_protocol_version")) // absent: an unversioned client
	if f := firstOf(r.Header.Get("X-ClickHouse-Format"), values.Get("default_format")); f != "" {
		q.format = f
	}
	if values.Get("compress") == "1" {
		q.compress = compressionMethod(values.Get("network_compression_method"))
	}
	if q.readOnly {
		if err := q.boundSettings(); err != nil {
			return nil, err
		}
	}
	return q, q.readStatement(values.Get("query"), body)
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// decode undoes both kinds of compression of a body. ClickHouse's own is for the rows of
// inserts: its blocks say how much memory they want.
func decode(r *http.Request, values url.Values, readOnly bool) (io.Reader, error) {
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
		if readOnly {
			return nil, exception(164, "READONLY", "A reader sends no rows, and so no compressed blocks.")
		}
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
		if q.readOnly {
			return errReadOnly
		}
		q.text, q.insert = text, &insertion{head: found[1], format: found[2], rows: body}
		return nil
	}
	bytesMax := q.user.Limits.StatementBytesMax
	rest, err := io.ReadAll(io.LimitReader(body, bytesMax+1))
	if err != nil {
		return fmt.Errorf("read the statement: %w", err)
	}
	if int64(len(text)+len(rest)) > bytesMax {
		return exception(62, "SYNTAX_ERROR", "The statement is larger than %d bytes.", bytesMax)
	}
	q.text = strings.TrimSpace(text + "\n" + string(rest))
	if !q.readOnly {
		q.text = answerToQueryID(q.text)
	}
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
