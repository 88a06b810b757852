package main

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/explain"
	"github.com/readside/readside/projections/shop"
)

func (p *program) explainCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain VIEW KEY",
		Short: "Tell how a row came to be: every event that touched it, with what it changed",
		Long: "Folds the row of VIEW with that KEY from the log, and tells every event that made it, in\n" +
			"order: the columns that it changed, the events of other rows that changed it through a\n" +
			"join, and those that are parked or discarded. It ends with exit code 1 when the stored\n" +
			"row is not what the events give.",
		Args: needs("VIEW", "KEY"),
		RunE: func(c *cobra.Command, args []string) error { return p.explain(c, args[0], args[1], asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func (p *program) explain(c *cobra.Command, view, key string, asJSON bool) error {
	log, url, err := p.openLog(c.Context(), "readside-explain")
	if err != nil {
		return err
	}
	defer log.Close()
	set, err := shop.Set()
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
		err = json.NewEncoder(p.out).Encode(story)
	} else {
		err = story.Print(p.out)
	}
	if err == nil && !story.Equal {
		return errNo
	}
	return err
}
