package embedded

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Numbers of users without a name, as systemd gives them to services for a while.
const (
	passingUIDMin = 61184
	passingUIDMax = 65519
)

// passingAccount is the user that a ClickHouse server runs as when we are root: a number
// that is nobody's, so that it owns nothing but its folder. A kept folder keeps its owner.
// nil means our own user.
func passingAccount(data string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if uid, found := passingOwner(data); found {
		return &account{name: strconv.Itoa(int(uid)), uid: uid, gid: uid}, nil
	}
	const triesMax = 100
	for range triesMax {
		n, err := rand.Int(rand.Reader, big.NewInt(passingUIDMax-passingUIDMin+1))
		if err != nil {
			return nil, err
		}
		id := strconv.Itoa(passingUIDMin + int(n.Int64()))
		_, userErr := user.LookupId(id)
		_, groupErr := user.LookupGroupId(id)
		if userErr != nil && groupErr != nil {
			return &account{name: id, uid: uint32(passingUIDMin + n.Int64()), gid: uint32(passingUIDMin + n.Int64())}, nil
		}
	}
	return nil, fmt.Errorf("embedded: every number from %d to %d is a user's: start as another user than root, or set READSIDE_CLICKHOUSE_URL", passingUIDMin, passingUIDMax)
}

// passingOwner is the owner of a folder that an earlier server used.
func passingOwner(data string) (uint32, bool) {
	info, err := os.Stat(data)
	if err != nil {
		return 0, false
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	return owner.Uid, known && owner.Uid >= passingUIDMin && owner.Uid <= passingUIDMax
}

// ownAll makes a folder and all that is in it the account's.
func (a *account) ownAll(dir string) error {
	if a == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return a.own(path)
	})
}
