package embedded

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the system user that a store runs as when we are root: Postgres refuses
// root, and ClickHouse is to own nothing but its folder; nil means our own.
type account struct {
	name     string
	uid, gid uint32
}

func serverAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	const name = "postgres"
	found, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("embedded: Postgres refuses to run as root, and the user %q that it would run as is missing (%w): `useradd --system %s`, or start as another user, or set READSIDE_POSTGRES_URL", name, err, name)
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("embedded: uid of user %q: %w", name, err)
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("embedded: gid of user %q: %w", name, err)
	}
	return &account{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
}

// credential is what a process of this account is started with.
func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// enter lets the account, and nobody else, pass a folder of ours without changing
// it: a server that was taken over cannot put a link where we write as root.
func (a *account) enter(dir string) error {
	if a == nil {
		return nil
	}
	const ownerAllGroupPass = 0o710
	return errors.Join(os.Chown(dir, os.Geteuid(), int(a.gid)), os.Chmod(dir, ownerAllGroupPass))
}

// canReach returns an error for a folder above dir that the account may not pass.
func (a *account) canReach(dir string) error {
	if a == nil {
		return nil
	}
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil {
			return err
		}
		const othersMayPass = 0o001
		owner, known := info.Sys().(*syscall.Stat_t)
		if info.Mode().Perm()&othersMayPass == 0 && !(known && owner.Uid == a.uid) {
			return fmt.Errorf("embedded: the store runs as user %q, which may not enter %s, and so cannot use %s: let it pass, or set TMPDIR (for stores) or XDG_CACHE_HOME (for fetched programs) to a folder below which it may", a.name, parent, dir)
		}
		if parent == filepath.Dir(parent) {
			return nil
		}
	}
}
