package run

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kelseyhightower/envconfig"
	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/table"
	"github.com/readside/readside/queryapi"
)

// otherVariables are those that are read outside of envconfig.
type otherVariables struct {
	Postgres string `envconfig:"EMBEDDED_POSTGRES" desc:"major version of the embedded Postgres, such as 17, which setup fetches; default: the machine's newest"`
	ChdbLib  string `envconfig:"CHDB_LIB" desc:"the ClickHouse library for the embedded ClickHouse; default: the one that setup installed"`

	UnconfinedReaders string `envconfig:"UNCONFINED_READERS" desc:"set to allow where the kernel cannot confine the embedded ClickHouse (before Linux 5.19, other systems) and readers are to ask nevertheless; default: their SQL is refused there"`
}

// configurations are the structs that the commands read from the environment.
func configurations(app cli.App) []any {
	all := []any{&service.Stores{}, &service.Folding{}, &queryapi.Config{}, &otherVariables{}}
	if app.Services != nil {
		all = append(all, app.Services.Settings())
	}
	return all
}

// listeners are the variables that say where something listens; the query API's is among
// its settings.
func listeners(app cli.App) []cli.Listener {
	all := []cli.Listener{cli.ProjectHealth}
	if app.Services != nil {
		all = append(all, app.Services.Commands(), app.Services.Health())
	}
	return all
}

// ConfigTopic is `help config`.
func ConfigTopic(p *cli.Program) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Every " + p.App.Prefix() + "_ variable with its default and meaning"}
	c.SetHelpFunc(func(*cobra.Command, []string) {
		if err := printVariables(p.Out, p.App); err != nil {
			fmt.Fprintln(p.Err, err)
		}
	})
	return c
}

const variableFormat = "{{range .}}{{usage_key .}}\t{{usage_default .}}\t{{usage_description .}}\n{{end}}"

func printVariables(w io.Writer, app cli.App) error {
	rows := map[string][]string{}
	for _, c := range configurations(app) {
		var text bytes.Buffer
		if err := envconfig.Usagef(app.Prefix(), c, &text, variableFormat); err != nil {
			return fmt.Errorf("list the variables of %T: %w", c, err)
		}
		for line := range strings.Lines(text.String()) {
			cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			if rows[cells[0]] == nil { // the first that reads a variable explains it best
				rows[cells[0]] = cells
			}
		}
	}
	for _, l := range listeners(app) {
		name := app.Variable(l.Variable)
		rows[name] = []string{name, l.Default, l.Serves}
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
