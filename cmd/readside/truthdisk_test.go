package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// disk is where the views' tables are while their disk is full.
type disk interface {
	fill()
	// free gives them room again.
	free()
}

// pageful are more products than fit into what is free in the pages of the views' tables.
const pageful = 150

// smallDisk moves the views' tables to a disk of their own that is small: a tmpfs, which
// only root may mount. Any other user has Postgres' own error raised by triggers instead;
// what the programs make of it is the same.
func (w *world) smallDisk() disk {
	w.t.Helper()
	dir, err := os.MkdirTemp("", "readside-full")
	w.must(err)
	w.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w.must(os.Chmod(dir, 0o755)) // the server's account passes
	if os.Getuid() != 0 {
		w.t.Log("truth: the disk is full by an error that triggers raise: only root may mount one")
		return raised{w}
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=32m,mode=0777", "tmpfs", dir).CombinedOutput(); err != nil {
		w.t.Logf("truth: the disk is full by an error that triggers raise: this root may mount none: %v %s", err, out)
		return raised{w}
	}
	w.t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	space := filepath.Join(dir, "space")
	w.exec(fmt.Sprintf("copy (select 1) to program 'cat > /dev/null; mkdir %s'", space)) // by the server's account
	w.exec(fmt.Sprintf("create tablespace small location '%s'", space))
	w.moveViews("pg_default", "small")
	return &mounted{w, filepath.Join(dir, "filler")}
}

// moveViews moves the views' tables and indexes from one tablespace to another.
func (w *world) moveViews(from, to string) {
	w.t.Helper()
	w.exec(fmt.Sprintf(`do $$ declare r record; begin
for r in select c.oid::regclass as name, case c.relkind when 'i' then 'index' else 'table' end as kind from pg_class c
          where c.relnamespace = 'views'::regnamespace and c.relkind in ('r', 'i')
            and (select coalesce(nullif(c.reltablespace, 0), d.dattablespace) from pg_database d where d.datname = current_database())
                = (select oid from pg_tablespace where spcname = '%s') loop
  execute format('alter %%s %%s set tablespace %%I', r.kind, r.name, '%s');
end loop; end $$`, from, to))
}

// mounted is a file system that is full to its last byte.
type mounted struct {
	*world
	filler string
}

func (m *mounted) fill() {
	m.t.Helper()
	f, err := os.Create(m.filler)
	m.must(err)
	defer f.Close()
	for chunk := make([]byte, 1<<16); len(chunk) > 0; {
		if _, err = f.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
			continue
		}
		m.must(err)
	}
}

func (m *mounted) free() {
	m.t.Helper()
	m.must(os.Remove(m.filler))
	m.mustShow("with room again", well, m.serve, testWait)
	m.moveViews("small", "pg_default") // nobody writes meanwhile
}

// raised is a disk that triggers say is full.
type raised struct{ *world }

func (r raised) fill() { r.failing("53100", `schemaname = 'views'`) }
func (r raised) free() { r.mend() }

// ofProducts puts the table of the products' view into a statement.
func (w *world) ofProducts(statement string) string {
	w.t.Helper()
	var table string
	w.must(w.admin.QueryRow(w.t.Context(), `select quote_ident(table_name) from readside.views where view = 'product' and state = 'live'`).Scan(&table))
	return fmt.Sprintf(statement, "views."+table)
}
