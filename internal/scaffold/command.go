package scaffold

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
)

// Command is the command new.
func Command() *cobra.Command {
	var m Module
	var source string
	c := &cobra.Command{
		Use:   "new DIR",
		Short: "Write a module of your own: a view, a fact, a screen, a report, tests",
		Long: "Writes a Go module into a new folder: a program with one view, one fact, one screen and\n" +
			"one report of a small domain, which compiles and passes its tests at once. Replace the\n" +
			"domain by your own.",
		Args: cli.Needs("folder"),
		RunE: func(c *cobra.Command, args []string) error {
			m.Dir = args[0]
			return write(c.Context(), m, source)
		},
	}
	c.Flags().StringVar(&m.Name, "name", "", "the program's `name`; the folder's by default")
	c.Flags().StringVar(&m.Path, "module", "", "the module's `path`, such as example.com/team/name; the name by default")
	c.Flags().StringVar(&source, "source", "", "the `folder` of Readside's source to build on, in place of a published version")
	return c
}

func write(ctx context.Context, m Module, source string) (err error) {
	p := cli.From(ctx)
	if source != "" {
		m.Version, m.Source, err = At(source)
	} else if m.Version, m.Source, err = Origin(); err != nil {
		err = fmt.Errorf("%w: name its folder by --source", err)
	}
	if err != nil {
		return err
	}
	written, err := Write(m)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Out, "%d files written to %s. Completing go.mod …\n", len(written), m.Dir)
	if err := Tidy(ctx, m.Dir, p.Err); err != nil {
		return err
	}
	fmt.Fprintf(p.Out, "Done. Next:\n\n  cd %s\n  make test    its tests, on real stores\n  make up      everything on this machine\n\nREADME.md there says which file is what.\n", m.Dir)
	return nil
}
