package migrations

import (
	"context"
	"database/sql"
	"time"

	"github.com/pressly/goose/v3"
)

// Row is one migration and whether this database has it.
type Row struct {
	Set       string
	Version   int64
	File      string
	Applied   bool
	AppliedAt time.Time // zero while not applied
}

// Status lists the migrations of the sets, oldest first.
func Status(ctx context.Context, postgresURL string, sets ...Set) ([]Row, error) {
	var rows []Row
	err := forEach(postgresURL, sets, func(_ *sql.DB, set Set, p *goose.Provider) error {
		found, err := p.Status(ctx)
		for _, m := range found {
			rows = append(rows, statusRow(set, m))
		}
		return err
	})
	return rows, err
}

func statusRow(set Set, m *goose.MigrationStatus) Row {
	return Row{
		Set:       set.name,
		Version:   m.Source.Version,
		File:      m.Source.Path,
		Applied:   m.State == goose.StateApplied,
		AppliedAt: m.AppliedAt,
	}
}
