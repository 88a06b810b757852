package scaffold

import (
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// noVersion is what go.mod requires of a module that it replaces by a folder.
const noVersion = "v0.0.0-00010101000000-000000000000"

// Origin returns where a new module finds Readside: the version of this program, if it was
// fetched as one, or else the folder of its source, which is that of the working directory
// or of the program's file, or one above.
func Origin() (version, source string, err error) {
	if built, ok := debug.ReadBuildInfo(); ok && built.Main.Path == Readside && built.Main.Sum != "" {
		return built.Main.Version, "", nil
	}
	var places []string
	if dir, err := os.Getwd(); err == nil {
		places = append(places, dir)
	}
	if program, err := os.Executable(); err == nil {
		if resolved, err := filepath.EvalSymlinks(program); err == nil {
			program = resolved
		}
		places = append(places, filepath.Dir(program))
	}
	for _, place := range places {
		if dir := above(place); dir != "" {
			return noVersion, dir, nil
		}
	}
	return "", "", errors.New("this program does not know where its source is")
}

// At returns what go.mod requires for a folder of Readside's source.
func At(dir string) (version, source string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return "", "", err
	}
	if !isSource(dir) {
		return "", "", errors.New(dir + " has no go.mod of " + Readside)
	}
	return noVersion, dir, nil
}

// above returns the folder of Readside's source that dir is in, or the empty string.
func above(dir string) string {
	for ; ; dir = filepath.Dir(dir) {
		if isSource(dir) {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

func isSource(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	first, _, _ := strings.Cut(string(text), "\n")
	return err == nil && strings.TrimSpace(first) == "module "+Readside
}
