package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// machinePrograms are programs of Postgres and ClickHouse that the step hides wherever PATH
// has them: a user of a bare machine has none.
var machinePrograms = []string{"postgres", "initdb", "pg_ctl", "psql", "pg_dump", "clickhouse"}

// machineFolders are where Debian and others put Postgres beside PATH, as
// internal/embedded/install looks for it.
var machineFolders = []string{"/usr/lib/postgresql", "/usr/pgsql-*", "/opt/homebrew/opt/postgresql*", "/usr/local/opt/postgresql*", "/home/linuxbrew/.linuxbrew/opt/postgresql*"}

// hideAndRun hides folders and files in a mount namespace of its own, gives up every right
// for good and becomes the command. $1 and $2 are the folders and the files, $3 what setpriv
// is asked for; nobody below it can become root again, by sudo neither.
const hideAndRun = `set -e
for folder in $1; do mount -t tmpfs none "$folder"; done
for file in $2; do test ! -e "$file" || mount --bind /dev/null "$file"; done
drop=$3; shift 3
exec setpriv $drop --no-new-privs -- "$@"`

// demoWithoutRoot runs make demo in a fresh clone as a user without any right, on a machine
// where no Postgres is to be found, with a HOME that is empty.
func demoWithoutRoot(ctx context.Context, o options) (figures []string, err error) {
	dir, err := os.MkdirTemp("", "readside-rootless-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, removeAll(ctx, dir)) }()
	clone, home := filepath.Join(dir, "clone"), filepath.Join(dir, "home")
	if _, err := command(ctx, o.repo, nil, o.progress, "git", "clone", "--quiet", ".", clone); err != nil {
		return nil, err
	}
	env, err := emptyEnvironment(ctx, home)
	if err != nil {
		return nil, err
	}
	args, err := rootless(ctx, dir)
	if err != nil {
		return nil, err
	}
	if out, err := command(ctx, clone, env, o.progress, args[0], slices.Concat(args[1:], []string{"sh", "-c", absent})...); err != nil {
		return nil, fmt.Errorf("the machine is not bare: %w: %s", err, out)
	}
	started := time.Now()
	out, err := command(ctx, clone, env, o.progress, args[0], slices.Concat(args[1:], []string{"make", "demo", "DEMO_FLAGS=--for 5s --summary json"})...)
	if err != nil {
		return nil, err
	}
	var s summary
	if err := json.Unmarshal([]byte(lastLine(out)), &s); err != nil {
		return nil, fmt.Errorf("the demo's last line is not its summary: %w", err)
	}
	if s.Events == 0 || len(s.Views) == 0 || len(s.Cold) == 0 || !s.Verified {
		return nil, fmt.Errorf("the demo without root did not prove itself: %s", lastLine(out))
	}
	fetched, err := filepath.Glob(filepath.Join(home, ".cache", "readside", "postgres-1*", "bin", "postgres"))
	if err != nil || len(fetched) != 1 {
		return nil, fmt.Errorf("the demo's Postgres is not the one that its set-up fetched: found %q, %w", fetched, err)
	}
	return []string{fmt.Sprintf("make demo without root and Postgres, with an empty HOME: %s, %d events, verified, on %s",
		time.Since(started).Round(time.Second), s.Events, filepath.Base(filepath.Dir(filepath.Dir(fetched[0]))))}, nil
}

// absent fails where a right or a Postgres was left.
const absent = `test "$(id -u)" != 0 || { echo still root >&2; exit 1; }
for name in postgres initdb psql; do if command -v $name >&2; then exit 1; fi; done
for bin in /usr/lib/postgresql/*/bin/postgres; do if test -e "$bin"; then echo $bin >&2; exit 1; fi; done`

// rootless is the beginning of a command line that runs the rest as a user without rights,
// to whom it gives dir, and hides the machine's Postgres from it.
func rootless(ctx context.Context, dir string) ([]string, error) {
	unshare := []string{"unshare", "--mount", "--propagation", "private"}
	drop := "--ambient-caps=-all --inh-caps=-all"
	if os.Getuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			return nil, fmt.Errorf("become a user without rights: %w", err)
		}
		if err := giveAway(ctx, dir, nobody); err != nil {
			return nil, err
		}
		drop = "--reuid=" + nobody.Uid + " --regid=" + nobody.Gid + " --clear-groups"
	} else {
		unshare = append(unshare, "--map-current-user", "--keep-caps")
	}
	folders, files, err := machinesOwn()
	if err != nil {
		return nil, err
	}
	return append(unshare, "sh", "-c", hideAndRun, "rootless", strings.Join(folders, " "), strings.Join(files, " "), drop), nil
}

// giveAway makes a folder and all that is in it the user's.
func giveAway(ctx context.Context, dir string, to *user.User) error {
	if _, err := strconv.ParseUint(to.Uid, 10, 32); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "chown", "-R", to.Uid+":"+to.Gid, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("give %s to %s: %w: %s", dir, to.Username, err, out)
	}
	return os.Chmod(dir, 0o755)
}

// machinesOwn are the folders and the files of the machine's own Postgres and ClickHouse.
func machinesOwn() (folders, files []string, err error) {
	for _, pattern := range machineFolders {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, nil, err
		}
		folders = append(folders, found...)
	}
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) {
		for _, name := range machinePrograms {
			path := filepath.Join(folder, name)
			target, err := filepath.EvalSymlinks(path)
			if err != nil || within(target, folders) {
				continue // it is not there, or goes with its folder
			}
			files = append(files, target)
		}
	}
	return folders, files, nil
}

func within(path string, folders []string) bool {
	for _, folder := range folders {
		if strings.HasPrefix(path, folder+"/") {
			return true
		}
	}
	return false
}
