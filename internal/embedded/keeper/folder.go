package keeper

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/readside/readside/internal/embedded/filelock"
)

// What every store's folder holds beside its data.
const (
	LogFile   = "readside.log"  // what the store writes
	storeLock = "readside.lock" // held by the keeper while it lives
)

// temporaryPrefix begins the names of temporary folders.
const temporaryPrefix = "readside-store-"

// staleAge protects a folder whose keeper has not yet taken its lock.
const staleAge = 10 * time.Minute

// Folder is a store's folder and the keeper's hold of it.
type Folder struct {
	dir       string
	temporary bool
	lock      *filelock.Lock
}

// OpenFolder makes the folder asked for, or a temporary one, and takes hold of it.
func OpenFolder(dir string) (*Folder, error) {
	f := &Folder{dir: dir, temporary: dir == ""}
	if err := f.make(); err != nil {
		return nil, err
	}
	lock, err := filelock.Try(filepath.Join(f.dir, storeLock))
	if err != nil {
		return nil, err
	}
	f.lock = lock
	return f, nil
}

func (f *Folder) make() (err error) {
	if f.temporary {
		removeStale(os.TempDir())
		f.dir, err = os.MkdirTemp("", temporaryPrefix)
		return err
	}
	if f.dir, err = filepath.Abs(f.dir); err != nil {
		return err
	}
	return os.MkdirAll(f.dir, 0o700)
}

// Close lets go of the folder and removes a temporary one.
func (f *Folder) Close() {
	if f == nil {
		return
	}
	if f.temporary {
		_ = os.RemoveAll(f.dir)
	}
	f.lock.Release()
}

// Path is the folder's place; empty before there is one.
func (f *Folder) Path() string {
	if f == nil {
		return ""
	}
	return f.dir
}

// ownFolder reports whether a folder is one of ours: in one of another user a lock
// could be a link to any file, which root would then make or open.
func ownFolder(info fs.FileInfo) bool {
	owner, known := info.Sys().(*syscall.Stat_t)
	return info.IsDir() && known && int(owner.Uid) == os.Geteuid()
}

// removeStale deletes the folders of keepers that were killed before they could.
func removeStale(temporary string) {
	found, _ := filepath.Glob(filepath.Join(temporary, temporaryPrefix+"*"))
	for _, dir := range found {
		info, err := os.Lstat(dir)
		if err != nil || time.Since(info.ModTime()) < staleAge || !ownFolder(info) {
			continue
		}
		lock, err := filelock.Try(filepath.Join(dir, storeLock))
		if err != nil { // in use, or another user's
			continue
		}
		_ = os.RemoveAll(dir)
		lock.Release()
	}
}
