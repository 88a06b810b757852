package main

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections/shop"
)

func (p *program) verifyCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify [VIEW]",
		Short: "Compare views and facts with the fold of the log, row for row",
		Long: "Folds the log anew and compares every row of the views in Postgres and of the facts in\n" +
			"ClickHouse with it: of VIEW, or of all. It names the rows that differ and ends with exit\n" +
			"code 1 then. It is right while a projector runs.",
		Args: usage(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, names []string) error { return p.verify(c, names, asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func (p *program) verify(c *cobra.Command, names []string, asJSON bool) error {
	stores, err := settings[service.Stores]()
	if err != nil {
		return err
	}
	set, err := shop.Set()
	if err != nil {
		return err
	}
	found, err := service.Verify(c.Context(), stores, set, names, p.commandLog())
	if err != nil {
		return err
	}
	if asJSON {
		err = json.NewEncoder(p.out).Encode(struct {
			Answer bool `json:"verified"`
			*service.Verified
		}{found.OK(), found})
	} else {
		found.Print(p.out)
	}
	if err == nil && !found.OK() {
		return errNo
	}
	return err
}
