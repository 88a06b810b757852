package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kelseyhightower/envconfig"
	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/table"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/writemodels/shopapi"
)

// otherVariables are those that are read outside of envconfig.
type otherVariables struct {
	Postgres string `envconfig:"EMBEDDED_POSTGRES" desc:"major version of the embedded Postgres, such as 17, which setup fetches; default: the machine's newest"`
	ChdbLib  string `envconfig:"CHDB_LIB" desc:"the ClickHouse library for the embedded ClickHouse; default: the one that setup installed"`

	UnconfinedReaders string `envconfig:"UNCONFINED_READERS" desc:"set to allow where the kernel cannot confine the embedded ClickHouse (before Linux 5.19, other systems) and readers are to ask nevertheless; default: their SQL is refused there"`
}

// configurations are the structs that the commands read from the environment.
func configurations() []any {
	return []any{&service.Stores{}, &service.Folding{}, &shopAddress{}, &projectAddress{}, &shopapi.Config{}, &queryapi.Config{}, &otherVariables{}}
}

// configTopic is `readside help config`.
func (p *program) configTopic() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Every READSIDE_ variable with its default and meaning"}
	c.SetHelpFunc(func(*cobra.Command, []string) {
		if err := printVariables(p.out); err != nil {
			fmt.Fprintln(p.err, err)
		}
	})
	return c
}

const variableFormat = "{{range .}}{{usage_key .}}\t{{usage_default .}}\t{{usage_description .}}\n{{end}}"

func printVariables(w io.Writer) error {
	rows := map[string][]string{}
	for _, c := range configurations() {
		var text bytes.Buffer
		if err := envconfig.Usagef(prefix, c, &text, variableFormat); err != nil {
			return fmt.Errorf("list the variables of %T: %w", c, err)
		}
		for line := range strings.Lines(text.String()) {
			cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			if rows[cells[0]] == nil { // the first that reads a variable explains it best
				rows[cells[0]] = cells
			}
		}
	}
	return printSorted(w, rows)
}

func printSorted(w io.Writer, rows map[string][]string) error {
	lines := [][]string{{"VARIABLE", "DEFAULT", "MEANING"}}
	var keys []string
	for key := range rows {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if rows[key][1] == "" {
			rows[key][1] = "-"
		}
		lines = append(lines, rows[key])
	}
	return table.Print(w, lines)
}
