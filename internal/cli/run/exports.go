package run

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
)

// address is a variable and what it is set to.
type address struct{ variable, value string }

// addresses are the variables that name the stores, those of stores that are there.
func addresses(p *cli.Program, stores service.Stores, mart string) (all []address) {
	for _, a := range []address{{"POSTGRES_URL", stores.PostgresURL}, {"CLICKHOUSE_URL", stores.ClickHouseURL}, {"MART_URL", mart}} {
		if a.value != "" {
			all = append(all, address{p.App.Variable(a.variable), a.value})
		}
	}
	return all
}

// exports are addresses as lines for a shell. A value may come from the environment and have
// any character.
func exports(all []address) string {
	var b strings.Builder
	for _, a := range all {
		fmt.Fprintf(&b, "export %s=%s\n", a.variable, quoted(a.value))
	}
	return b.String()
}

func quoted(value string) string { return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'" }

// writeExports writes a file that only its owner may read, in place of one that is there, and
// returns what removes it. A file that another program has written since is left alone.
func writeExports(path string, all []address) (remove func(), err error) {
	text := []byte(exports(all))
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // its mode is 0600
	if err != nil {
		return nil, fmt.Errorf("--env: %w", err)
	}
	if _, err = file.Write(text); err == nil {
		err = file.Close()
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return nil, fmt.Errorf("--env: %w", err)
	}
	return func() {
		if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, text) {
			_ = os.Remove(path)
		}
	}, nil
}

// keepAddresses writes the stores' addresses into a file, if one is named, and tells what to do with
// it. What it returns removes the file.
func keepAddresses(p *cli.Program, file string, stores service.Stores, mart string) (forget func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	if forget, err = writeExports(file, addresses(p, stores, mart)); err == nil {
		fmt.Fprintf(p.Out, "%-12s. %s  (for other commands of %s in another terminal)\n", "Addresses", shellPath(file), p.App.Name)
	}
	return forget, err
}

// shellPath is a file as a shell's dot command finds it, which looks for names without a
// slash elsewhere.
func shellPath(path string) string {
	if strings.ContainsRune(path, filepath.Separator) {
		return quotedIfNeeded(path)
	}
	return quotedIfNeeded("./" + path)
}

func quotedIfNeeded(path string) string {
	if strings.ContainsAny(path, " '\"$&;<>|*?()[]#~`\\") {
		return quoted(path)
	}
	return path
}
