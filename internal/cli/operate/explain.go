package operate

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/explain"
)

// Explain is the command of that name.
func Explain(p *cli.Program) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain VIEW KEY",
		Short: "Tell how a row came to be: every event that touched it, with what it changed",
		Long: "Folds the row of VIEW with that KEY from the log, and tells every event that made it, in\n" +
			"order: the columns that it changed, the events of other rows that changed it through a\n" +
			"join, and those that are parked or discarded. It ends with exit code 1 when the stored\n" +
			"row is not what the events give.",
		Args: cli.Needs("VIEW", "KEY"),
		RunE: func(c *cobra.Command, args []string) error { return explainRow(p, c, args[0], args[1], asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func explainRow(p *cli.Program, c *cobra.Command, view, key string, asJSON bool) error {
	log, url, err := p.OpenLog(c.Context(), "readside-explain")
	if err != nil {
		return err
	}
	defer log.Close()
	set, err := p.App.Set()
	if err != nil {
		return err
	}
	config, err := service.ConnConfig(log.Application, url, "readside-explain")
	if err != nil {
		return err
	}
	story, err := explain.Row(c.Context(), explain.Config{
		Log: log.Log, Postgres: config, Set: set, Projector: engine.ProjectorName(service.HotName, set), View: view, Key: key,
	})
	if err != nil {
		return err
	}
	if asJSON {
		err = json.NewEncoder(p.Out).Encode(story)
	} else {
		err = story.Print(p.Out)
	}
	if err == nil && !story.Equal {
		return cli.ErrNo
	}
	return err
}
