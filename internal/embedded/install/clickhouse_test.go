package install

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The library comes first; a program serves only where the library has no build.
func TestWhichClickHouseIsFound(t *testing.T) {
	t.Setenv(chdbVariable, "")
	missing := errors.New("the library is missing")
	is := func(path string, err error) func() (string, error) {
		return func() (string, error) { return path, err }
	}
	for name, c := range map[string]struct {
		finder clickHouseFinder
		want   ClickHouse
		fault  string
	}{
		"the library":              {clickHouseFinder{true, is("lib", nil), is("program", nil)}, ClickHouse{Library: "lib"}, ""},
		"the library without hash": {clickHouseFinder{false, is("lib", nil), is("program", nil)}, ClickHouse{Library: "lib"}, ""},
		"a library to be fetched":  {clickHouseFinder{true, is("", missing), is("program", nil)}, ClickHouse{}, "the library is missing"},
		"a program":                {clickHouseFinder{false, is("", missing), is("program", nil)}, ClickHouse{Program: "program"}, ""},
		"neither":                  {clickHouseFinder{false, is("", missing), is("", errors.New("no program"))}, ClickHouse{}, "no program"},
	} {
		got, err := c.finder.find()
		if got != c.want || (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: found %+v, %v", name, got, err)
		}
	}
}

func TestTheProgramsVersionIsLookedAt(t *testing.T) {
	for says, fault := range map[string]string{
		"ClickHouse local version 26.7.1.1 (official build).": "",
		"ClickHouse client version 18.16.1.":                  "25 or newer is needed",
		"a house of clicks":                                   "does not say that it is a ClickHouse",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "clickhouse")
		write(t, path, []byte("#!/bin/sh\necho '"+says+"'\n"))
		t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		found, err := clickHouseProgram()
		if found != path && fault == "" || (err != nil) != (fault != "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("%q: %s, %v", says, found, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := clickHouseProgram(); err == nil || !strings.Contains(err.Error(), "READSIDE_CLICKHOUSE_URL") {
		t.Errorf("without one: %v", err)
	}
}
