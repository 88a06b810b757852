package cold

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// keepFormer lets analysts go on reading facts that the set has no more: their views read
// the tables shown so far as these stand, whichever generation is shown from now on.
// dropOld drops both when the rollback window is over.
func (w *worker) keepFormer(ctx context.Context) error {
	var facts []string
	for _, m := range w.cfg.Set.Facts() {
		facts = append(facts, m.Name)
	}
	rows, err := w.conn.Query(ctx, `select table_name, fact from readside.cold_watermarks
 where projector = $1 and generation = $2 and not fact = any($3)`, w.cfg.Name, w.state.shownGeneration, facts)
	if err != nil {
		return fmt.Errorf("find the facts that are gone: %w", err)
	}
	type former struct{ TableName, Fact string }
	gone, err := pgx.CollectRows(rows, pgx.RowToStructByPos[former])
	if err != nil {
		return fmt.Errorf("find the facts that are gone: %w", err)
	}
	for _, g := range gone {
		view, err := w.formerView(ctx, g.TableName, g.Fact)
		if err != nil {
			return err
		}
		if err := w.exec(ctx, "let the mart's view "+g.Fact+" read its former table", view); err != nil {
			return err
		}
	}
	return nil
}

// formerView is the statement that makes a view of a table by itself: its definition is
// gone, so its columns are read from ClickHouse.
func (w *worker) formerView(ctx context.Context, table, fact string) (string, error) {
	rows, err := w.cfg.ClickHouse.Query(ctx, "SELECT name, type, comment FROM system.columns WHERE database = "+quote(w.database)+
		" AND table = "+quote(table)+" ORDER BY position")
	if err != nil {
		return "", fmt.Errorf("read the columns of %s: %w", table, err)
	}
	defer rows.Close()
	own := []string{positionColumn, rowColumn, batchColumn, expiresColumn}
	var names, columns []string
	for rows.Next() {
		var name, kind, doc string
		if err := rows.Scan(&name, &kind, &doc); err != nil {
			return "", fmt.Errorf("read the columns of %s: %w", table, err)
		}
		if !slices.Contains(own, name) {
			names = append(names, ident(name))
			columns = append(columns, ident(name)+" "+kind+comment(doc))
		}
	}
	if err := rows.Err(); err != nil {
		return "", fmt.Errorf("read the columns of %s: %w", table, err)
	}
	return fmt.Sprintf("CREATE OR REPLACE VIEW %s\n(%s)\nAS SELECT %s\nFROM %s\nWHERE %s <= (SELECT max(place) FROM %s WHERE table_name = %s)%s",
		qualified(w.cfg.Mart, fact), strings.Join(columns, ", "), strings.Join(names, ", "), qualified(w.database, table),
		positionColumn, qualified(w.database, watermarkTable), quote(table), comment("A fact of former definitions: complete up to where these went.")), nil
}
