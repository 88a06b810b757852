package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

const (
	// bodyBytesMax is the largest body of a command.
	bodyBytesMax = 64 << 10
	// BatchBytesMax is the largest body of a command on many things.
	BatchBytesMax = 256 << 10
	// depthMax is how deep a body may nest; no command needs half of it.
	depthMax = 10
)

// readBody reads a bounded JSON body. Requests that need none may have none.
func readBody(w http.ResponseWriter, r *http.Request, bytesMax int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bytesMax))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &Refusal{
			Code: "too-large", Status: http.StatusRequestEntityTooLarge,
			Detail: fmt.Sprintf("the body is larger than %d bytes", bytesMax),
			Hint:   "send fewer things in one command",
		}
	case err != nil:
		return nil, malformed("the body could not be read: " + err.Error())
	case len(body) > 0:
		return body, wantJSON(r)
	}
	return body, nil
}

func wantJSON(r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && kind == "application/json" {
		return nil
	}
	return &Refusal{
		Code: "unsupported-media-type", Status: http.StatusUnsupportedMediaType,
		Detail: fmt.Sprintf("the body is %q", r.Header.Get("Content-Type")),
		Hint:   "send JSON with Content-Type: application/json",
	}
}

// decode reads a body strictly: one JSON object, no field that is not known, none twice.
func decode(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	if err := refuseDuplicates(json.NewDecoder(bytes.NewReader(body)), "", depthMax); err != nil {
		return malformed(err.Error())
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return malformed(err.Error())
	}
	// More would take a bracket for the end of something that encloses it.
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return malformed("something follows the JSON object")
	}
	return nil
}

func malformed(detail string) *Refusal {
	return &Refusal{
		Code: "malformed", Status: http.StatusBadRequest,
		Detail: strings.TrimPrefix(detail, "json: "),
		Hint:   "send one JSON object with only the fields that this command knows",
	}
}

// refuseDuplicates reads one value and refuses an object with the same field twice,
// of which encoding/json would silently take the last, and a value that nests deeper
// than depth.
func refuseDuplicates(d *json.Decoder, path string, depth int) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	if _, opens := token.(json.Delim); opens && depth == 0 {
		return fmt.Errorf("it nests deeper than %d", depthMax)
	}
	switch token {
	case json.Delim('{'):
		return duplicatesInObject(d, path, depth)
	case json.Delim('['):
		for i := 0; d.More(); i++ {
			if err := refuseDuplicates(d, fmt.Sprintf("%s[%d]", path, i), depth-1); err != nil {
				return err
			}
		}
		_, err = d.Token()
		return err
	}
	return nil
}

func duplicatesInObject(d *json.Decoder, path string, depth int) error {
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		// encoding/json matches names whatever their case, so the case does not tell two apart.
		name, _ := token.(string)
		folded := strings.ToLower(name)
		if seen[folded] {
			return fmt.Errorf("field %s.%s stands there twice", path, name)
		}
		seen[folded] = true
		if err := refuseDuplicates(d, path+"."+name, depth-1); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}
