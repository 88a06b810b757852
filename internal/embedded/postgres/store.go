package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/embedded/install"
	"github.com/readside/readside/internal/embedded/keeper"
)

// store is the keeper's side of a cluster.
type store struct {
	options Options
	bin     string // the folder of initdb and postgres
	account *keeper.Account
	folder  *keeper.Folder
	secret  secret
	port    int
	process *keeper.Process
}

func (s *store) Prepare(ctx context.Context) (err error) {
	if s.bin, err = install.FindPostgres(s.options.Version); err != nil {
		return err
	}
	if s.account, err = keeper.ServerAccount(); err != nil {
		return err
	}
	if s.folder, err = keeper.OpenFolder(s.options.Dir); err != nil {
		return err
	}
	if err := errors.Join(s.account.CanReach(s.bin), s.account.CanReach(s.folder.Path())); err != nil {
		return err
	}
	if err := s.account.Enter(s.folder.Path()); err != nil {
		return err
	}
	return s.openCluster(ctx)
}

// openCluster makes the cluster and its secret unless they are there.
func (s *store) openCluster(ctx context.Context) (err error) {
	if s.secret, err = readSecret(s.folder.Path()); err != nil {
		return fmt.Errorf("embedded: %w", err)
	}
	_, missing := os.Stat(s.data())
	if s.secret == "" {
		if missing == nil {
			return fmt.Errorf("embedded: %s has no %s, so an older version made it, without passwords: dump it with that version, or remove it", s.folder.Path(), secretFile)
		}
		s.secret = newSecret()
		if err := s.secret.keep(s.folder.Path()); err != nil {
			return fmt.Errorf("embedded: keep the secret: %w", err)
		}
	}
	if missing == nil {
		return nil
	}
	if err := s.create(ctx); err != nil {
		return fmt.Errorf("embedded: make the cluster: %w", err)
	}
	return nil
}

// data is the cluster's data directory.
func (s *store) data() string { return filepath.Join(s.folder.Path(), "cluster") }

// create copies the template cluster aside, configures it and renames it into place:
// what is there is whole.
func (s *store) create(ctx context.Context) error {
	template, err := clusterTemplate(ctx, s.bin, initdbFlags(s.options), s.account)
	if err != nil {
		return err
	}
	aside := s.data() + ".partial"
	if err := os.RemoveAll(aside); err != nil {
		return err
	}
	if err := keeper.CopyTree(template, aside, s.account); err != nil {
		return fmt.Errorf("copy the template: %w", err)
	}
	if err := appendSettings(filepath.Join(aside, "postgresql.conf"), settingsOf(s.options)); err != nil {
		return fmt.Errorf("configure it: %w", err)
	}
	if err := lockUp(ctx, s.bin, aside, s.secret, s.account); err != nil {
		return err
	}
	return os.Rename(aside, s.data())
}

func (s *store) Start(ctx context.Context) error {
	if s.process != nil {
		return errors.New("embedded: Postgres already runs")
	}
	return keeper.OnFreePort(&s.port, func(port int) error { return s.startOnce(ctx, port) })
}

func (s *store) startOnce(ctx context.Context, port int) error {
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data(), "-p", strconv.Itoa(port))
	cmd.Dir = s.data()
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.account.Credential()}
	keeper.EndWithParent(cmd.SysProcAttr)
	p, err := keeper.Launch(cmd, filepath.Join(s.folder.Path(), keeper.LogFile))
	if err != nil {
		return fmt.Errorf("embedded: start %s: %w", cmd.Path, err)
	}
	url := address(port, "postgres", Superuser, s.secret)
	if err := p.Ready(ctx, func(ctx context.Context) error { return s.ping(ctx, url) }); err != nil {
		p.End(time.Second, syscall.SIGQUIT)
		return fmt.Errorf("embedded: Postgres on port %d: %w", port, err)
	}
	s.process = p
	return nil
}

// ping succeeds when our cluster answers: on a port that was taken from us it would
// be another.
func (s *store) ping(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var dir string
	if err := conn.QueryRow(ctx, "SHOW data_directory").Scan(&dir); err != nil {
		return err
	}
	if dir != s.data() {
		return fmt.Errorf("another cluster answers, of %s", dir)
	}
	return nil
}

// Kill takes the children with the postmaster: a backend in a long statement would
// otherwise finish it, and no second postmaster can start before it has.
func (s *store) Kill() {
	if s.process == nil {
		return
	}
	// Stopped first, it can start no backend that we would not see.
	_ = syscall.Kill(s.process.PID(), syscall.SIGSTOP)
	children := keeper.ChildrenOf(s.process.PID())
	s.process.End(time.Second)
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	// A killed backend still holds the shared memory until the kernel has ended it.
	keeper.WaitGone(children, time.Second)
	s.process = nil
}

func (s *store) Stop() {
	const wait = 5 * time.Second
	if s.options.Dir == "" { // what is removed next needs no last checkpoint
		s.process.End(wait, syscall.SIGQUIT)
	} else {
		s.process.End(wait, syscall.SIGINT, syscall.SIGQUIT)
	}
	s.process = nil
}

func (s *store) Remove() { s.folder.Close() }

func (s *store) State() keeper.Reply {
	return keeper.Reply{Dir: s.folder.Path(), Port: s.port, PID: s.process.PID(), Secret: string(s.secret)}
}
