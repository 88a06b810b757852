package clickhousehttp

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
)

// exceptionError is an error with ClickHouse's code and name.
type exceptionError struct {
	code       int
	name, text string
}

func (e *exceptionError) Error() string {
	return fmt.Sprintf("Code: %d. DB::Exception: %s (%s)", e.code, e.text, e.name)
}

func exception(code int, name, format string, arguments ...any) error {
	return &exceptionError{code: code, name: name, text: fmt.Sprintf(format, arguments...)}
}

// errCancelled is returned when a statement was killed.
var errCancelled = exception(394, "QUERY_WAS_CANCELLED", "Query was cancelled.")

// errReadOnly is returned when a statement would change something.
var errReadOnly = exception(164, "READONLY", "Cannot execute query in readonly mode.")

// The engine's own errors have the same form, as text.
var codePattern = regexp.MustCompile(`^Code:\s*(\d+)\.`)

// stdException is ClickHouse's code for an error of no kind of its own.
const stdException = 1001

func codeOf(err error) (code int, text string) {
	if found := codePattern.FindStringSubmatch(err.Error()); found != nil {
		code, _ = strconv.Atoi(found[1]) // digits by the pattern
		return code, err.Error()
	}
	return stdException, exception(stdException, "STD_EXCEPTION", "%s", err).Error()
}

// refuse answers with an exception before anything else was written.
func refuse(w http.ResponseWriter, err error) {
	code, text := codeOf(err)
	w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(code))
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(statusOf(code))
	_, _ = io.WriteString(w, text+"\n")
}

// statusOf is the HTTP status that ClickHouse gives an exception.
func statusOf(code int) int {
	switch code {
	case 516, 497, 164, 452: // AUTHENTICATION_FAILED, ACCESS_DENIED, READONLY, SETTING_CONSTRAINT_VIOLATION
		return http.StatusForbidden
	case 60, 81, 46, 47, 115: // UNKNOWN_TABLE, _DATABASE, _FUNCTION, _IDENTIFIER, _SETTING
		return http.StatusNotFound
	case 62: // SYNTAX_ERROR
		return http.StatusBadRequest
	case 201: // QUOTA_EXCEEDED
		return http.StatusTooManyRequests
	case 202: // TOO_MANY_SIMULTANEOUS_QUERIES
		return http.StatusServiceUnavailable
	case 159, 209: // TIMEOUT_EXCEEDED, SOCKET_TIMEOUT
		return http.StatusRequestTimeout
	}
	return http.StatusInternalServerError
}

// lateException is how ClickHouse tells of an error in the middle of an answer.
func lateException(err error) []byte {
	const tag = "embeddedembedded" // 16 bytes
	_, text := codeOf(err)
	return fmt.Appendf(nil, "\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", tag, text, len(text)+1, tag)
}
