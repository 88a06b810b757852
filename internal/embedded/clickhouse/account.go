package clickhouse

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"github.com/readside/readside/internal/embedded/keeper"
)

// Numbers of users without a name, as systemd gives them to services for a while.
const (
	passingUIDMin = 61184
	passingUIDMax = 65519
)

// passingAccount is the user that a ClickHouse server runs as when we are root: a number
// that is nobody's, so that it owns nothing but its folder. A kept folder keeps its owner.
// nil means our own user.
func passingAccount(data string) (*keeper.Account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if uid, found := passingOwner(data); found {
		return &keeper.Account{Name: strconv.Itoa(int(uid)), UID: uid, GID: uid}, nil
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
			return &keeper.Account{Name: id, UID: uint32(passingUIDMin + n.Int64()), GID: uint32(passingUIDMin + n.Int64())}, nil
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
