package keeper

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Account is the system user that a store runs as when we are root: Postgres refuses
// root, and ClickHouse is to own nothing but its folder; nil means our own.
type Account struct {
	Name     string
	UID, GID uint32
}

// ServerAccount is the account that Postgres runs as.
func ServerAccount() (*Account, error) {
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
	return &Account{Name: name, UID: uint32(uid), GID: uint32(gid)}, nil
}

// Credential is what a process of this account is started with.
func (a *Account) Credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.UID, Gid: a.GID}
}

// Own makes a file the account's.
func (a *Account) Own(path string) error {
	if a == nil {
		return nil
	}
	return os.Lchown(path, int(a.UID), int(a.GID))
}

// Enter lets the account, and nobody else, pass a folder of ours without changing
// it: a server that was taken over cannot put a link where we write as root.
func (a *Account) Enter(dir string) error {
	if a == nil {
		return nil
	}
	const ownerAllGroupPass = 0o710
	return errors.Join(os.Chown(dir, os.Geteuid(), int(a.GID)), os.Chmod(dir, ownerAllGroupPass))
}

// CanReach returns an error for a folder above dir that the account may not pass.
func (a *Account) CanReach(dir string) error {
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
		if info.Mode().Perm()&othersMayPass == 0 && !(known && owner.Uid == a.UID) {
			return fmt.Errorf("embedded: the store runs as user %q, which may not enter %s, and so cannot use %s: let it pass, or set TMPDIR (for stores) or XDG_CACHE_HOME (for fetched programs) to a folder below which it may", a.Name, parent, dir)
		}
		if parent == filepath.Dir(parent) {
			return nil
		}
	}
}

// OwnAll makes a folder and all that is in it the account's.
func (a *Account) OwnAll(dir string) error {
	if a == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return a.Own(path)
	})
}
