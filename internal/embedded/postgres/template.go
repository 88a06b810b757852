package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/readside/readside/internal/embedded/install"
	"github.com/readside/readside/internal/embedded/keeper"
)

// initdbFlags decide what a template is; they are part of its name.
func initdbFlags(options Options) []string {
	flags := []string{
		"--encoding=UTF8", "--locale=" + locale(), "--auth=reject", "--username=" + Superuser,
		"--no-sync", "--no-instructions",
	}
	if options.ICULocale != "" {
		flags = append(flags, "--locale-provider=icu", "--icu-locale="+options.ICULocale)
	}
	return flags
}

// clusterTemplate is a fresh cluster as initdb makes it, kept once per user and
// version of Postgres: copying it is ten times faster than initdb.
func clusterTemplate(ctx context.Context, bin string, flags []string, who *keeper.Account) (string, error) {
	cache, err := install.CacheDir()
	if err != nil {
		return "", err
	}
	version, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("embedded: %s/postgres --version: %w", bin, err)
	}
	hash := sha256.Sum256([]byte(bin + string(version) + strings.Join(flags, " ")))
	template := filepath.Join(cache, fmt.Sprintf("postgres-template-%x", hash[:6]))
	if _, err := os.Stat(filepath.Join(template, "PG_VERSION")); err == nil {
		return template, nil
	}
	return template, makeTemplate(ctx, bin, template, flags, who)
}

// makeTemplate runs initdb aside and renames the result: a killed initdb leaves no
// half template, and of two at once the first wins.
func makeTemplate(ctx context.Context, bin, template string, flags []string, who *keeper.Account) error {
	aside, err := keeper.OpenFolder("") // where the server's account may go
	if err != nil {
		return err
	}
	defer aside.Close()
	fresh := filepath.Join(aside.Path(), "cluster")
	if err := initdb(ctx, bin, fresh, flags, who); err != nil {
		return err
	}
	// The cache may be on another file system than the temporary folder.
	near, err := os.MkdirTemp(filepath.Dir(template), "partial-template-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(near) }()
	if err := keeper.CopyTree(fresh, near, nil); err != nil {
		return fmt.Errorf("embedded: keep the cluster template: %w", err)
	}
	syscall.Sync() // a power cut after the rename must not leave a template of empty files
	err = os.Rename(near, template)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return nil
	}
	return err
}

func initdb(ctx context.Context, bin, dir string, flags []string, who *keeper.Account) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := errors.Join(who.Enter(filepath.Dir(dir)), who.Own(dir)); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), append([]string{"-D", dir}, flags...)...)
	cmd.Dir, cmd.Env = dir, environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who.Credential()}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("embedded: initdb: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
