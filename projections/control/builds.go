package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Build is a row of readside.builds: a first build of a projector, slice by slice.
type Build struct {
	// Until is the place that it ends at, and Slices how many every view has.
	Until  int64
	Slices int
	// Done are the slices that are whole.
	Done []Slice
}

// Slice is a row of readside.slices.
type Slice struct {
	View   string
	Number int
}

// FindBuild finds the build of a projector; ok is false where there is none.
func FindBuild(ctx context.Context, conn *pgx.Conn, projector string) (b Build, ok bool, err error) {
	err = conn.QueryRow(ctx, `select until, slices from readside.builds where projector = $1`, projector).Scan(&b.Until, &b.Slices)
	if errors.Is(err, pgx.ErrNoRows) {
		return b, false, nil
	}
	if err != nil {
		return b, false, fmt.Errorf("find the build of projector %s: %w", projector, Explain(err))
	}
	rows, err := conn.Query(ctx, `select view, slice from readside.slices where projector = $1`, projector)
	if err != nil {
		return b, false, err
	}
	b.Done, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Slice])
	return b, true, err
}

// BeginBuild writes a build down before its first slice.
func BeginBuild(ctx context.Context, tx pgx.Tx, projector string, b Build) error {
	_, err := tx.Exec(ctx, `insert into readside.builds (projector, until, slices) values ($1, $2, $3)`, projector, b.Until, b.Slices)
	return err
}

// AddSlices writes whole slices of a view down, and how many rows each has.
func AddSlices(ctx context.Context, tx pgx.Tx, projector, view string, numbers, rows []int) error {
	_, err := tx.Exec(ctx, `insert into readside.slices (projector, view, slice, rows) select $1, $2, unnest($3::int[]), unnest($4::int[])`, projector, view, numbers, rows)
	return err
}

// NoteBuild writes down how far a build has read, for the status.
func NoteBuild(ctx context.Context, conn *pgx.Conn, projector string, place int64) error {
	_, err := conn.Exec(ctx, `update readside.builds set read = greatest(read, $2), updated_at = clock_timestamp() where projector = $1`, projector, place)
	return err
}

// EndBuild moves the checkpoint to where the slices end, and forgets the build.
func EndBuild(ctx context.Context, tx pgx.Tx, projector string, until, events int64) error {
	if err := ForgetBuild(ctx, tx, projector); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `update readside.projectors set place = $2, folded = folded + $3, updated_at = clock_timestamp() where name = $1`, projector, until, events)
	return err
}

// ForgetBuild forgets a build, and leaves its tables.
func ForgetBuild(ctx context.Context, tx pgx.Tx, projector string) error {
	_, err := tx.Exec(ctx, `delete from readside.builds where projector = $1`, projector)
	return err
}

// ResetBuild drops the tables of a build and what was written down about their rows. The
// build itself stays, without a slice.
func ResetBuild(ctx context.Context, tx pgx.Tx, projector string) error {
	tables, err := Names(ctx, tx, `select table_name from readside.views where projector = $1 and state <> 'retired'`, projector)
	if err != nil {
		return err
	}
	if err := dropTables(ctx, tx, tables); err != nil {
		return fmt.Errorf("drop what was built: %w", err)
	}
	for _, sql := range []string{
		`delete from readside.views where projector = $1`,
		`delete from readside.slices where projector = $1`,
		`delete from readside.parked where projector = $1 and state <> 'discarded'`,
		`delete from readside.degraded where projector = $1`,
	} {
		if _, err := tx.Exec(ctx, sql, projector); err != nil {
			return fmt.Errorf("drop what was built: %w", err)
		}
	}
	return nil
}

// CheckBuilt returns an error while the tables of a projector lack slices: nobody else may
// write their rows, since slices bring whole rows.
func CheckBuilt(ctx context.Context, conn *pgx.Conn, projector string) error {
	var until int64
	err := conn.QueryRow(ctx, `select until from readside.builds where projector = $1`, projector).Scan(&until)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return Explain(err)
	}
	return fmt.Errorf("%s is still building its views, up to place %d: repair rows when all are built", projector, until)
}

// HasTables reports whether a projector has made tables.
func HasTables(ctx context.Context, q Rower, projector string) (has bool, err error) {
	err = q.QueryRow(ctx, `select exists (select from readside.views where projector = $1)`, projector).Scan(&has)
	return has, err
}

// OthersServe reports whether a projector of the same base and other definitions is live.
func (p Projector) OthersServe(ctx context.Context, q Rower) (serve bool, err error) {
	err = q.QueryRow(ctx, `select exists (select from readside.projectors where base = $1 and name <> $2 and rebuilds is null and state = 'live')`, p.Base, p.Name).Scan(&serve)
	return serve, err
}
