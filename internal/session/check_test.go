package session

import (
	"errors"
	"testing"
)

// What the server answers after all was set decides whether the connection is used.
func TestConnectionsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		needs             prepared
		user              string
		standby, readOnly bool
		want              Problem
	}{
		"as it should be":              {prepared{role: "a"}, "a", false, false, ""},
		"no role is asked for":         {prepared{}, "b", false, false, ""},
		"a pooler dropped the role":    {prepared{role: "a"}, "b", false, false, WrongRole},
		"and for reading":              {prepared{role: "a", readOnly: true}, "b", false, true, WrongRole},
		"a standby":                    {prepared{}, "a", true, true, Standby},
		"a pooler dropped the setting": {prepared{}, "a", false, true, ReadOnly},
		"reading from a standby":       {prepared{role: "a", readOnly: true}, "a", true, true, ""},
	} {
		err := c.needs.check(c.user, c.standby, c.readOnly)
		var refused *Error
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &refused) || refused.Problem != c.want || refused.Hint == "") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
