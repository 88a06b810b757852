package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/readside/readside/internal/embedded/clickhousehttp"
	"github.com/readside/readside/internal/embedded/clickhouseserver"
	"github.com/readside/readside/internal/embedded/install"
	"github.com/readside/readside/internal/embedded/keeper"
)

// storeFor is the store of a ClickHouse: the library's, or a program's where the
// options name one or there is no library for this platform.
func storeFor(options Options) keeper.Store {
	program := options.Program
	if program == "" {
		found, err := install.FindClickHouse()
		if err != nil || found.Program == "" {
			return &libraryStore{options: options} // it says what is missing
		}
		program = found.Program
	}
	return &programStore{options: options, program: program}
}

// programStore is the keeper's side of a `clickhouse` program. Readers are bounded by
// the server's own grants, constraints and quota; no kernel's wall stands around it.
type programStore struct {
	options Options
	program string
	account *keeper.Account
	folder  *keeper.Folder
	users   clickhousehttp.Config
	secrets map[string]string
	port    int
	process *keeper.Process
}

// The files of its configuration, in the store's folder.
const (
	programConfig = "config.xml"
	programUsers  = "users.xml"
)

func (s *programStore) Prepare(context.Context) (err error) {
	if err := install.CheckClickHouse(s.program); err != nil {
		return err
	}
	if s.users, s.secrets, err = clickhousehttp.NewConfig(s.options.Readable); err != nil {
		return err
	}
	if s.folder, err = keeper.OpenFolder(s.options.Dir); err != nil {
		return err
	}
	data := s.data()
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	if s.account, err = passingAccount(data); err != nil {
		return err
	}
	if err := errors.Join(s.account.CanReach(s.program), s.account.CanReach(s.folder.Path())); err != nil {
		return err
	}
	if err := errors.Join(s.account.Enter(s.folder.Path()), s.account.OwnAll(data)); err != nil {
		return err
	}
	text, err := clickhouseserver.Users(s.users)
	if err != nil {
		return err
	}
	return s.write(programUsers, text)
}

func (s *programStore) data() string { return filepath.Join(s.folder.Path(), dataDir) }

// write makes a file that the server may read and only we may change.
func (s *programStore) write(name string, text []byte) error {
	path := filepath.Join(s.folder.Path(), name)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	const ownerWritesGroupReads = 0o640
	if err := os.WriteFile(path, text, ownerWritesGroupReads); err != nil {
		return err
	}
	if s.account == nil {
		return nil
	}
	return os.Lchown(path, os.Geteuid(), int(s.account.GID))
}

func (s *programStore) Start(ctx context.Context) error {
	if s.process != nil {
		return errors.New("embedded: ClickHouse already runs")
	}
	return keeper.OnFreePort(&s.port, func(port int) error { return s.startOnce(ctx, port) })
}

func (s *programStore) startOnce(ctx context.Context, port int) error {
	config, err := clickhouseserver.Server{
		Data: s.data(), Host: keeper.Loopback, Port: port, UsersFile: filepath.Join(s.folder.Path(), programUsers),
	}.Config()
	if err == nil {
		err = s.write(programConfig, config)
	}
	if err != nil {
		return err
	}
	cmd := exec.Command(s.program, "server", "--config-file="+filepath.Join(s.folder.Path(), programConfig))
	cmd.Dir = s.data()
	// A watchdog would start the server as a process of its own, which we could not end.
	cmd.Env = []string{"CLICKHOUSE_WATCHDOG_ENABLE=0", "TZ=UTC", "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.account.Credential()}
	keeper.EndWithParent(cmd.SysProcAttr)
	p, err := keeper.Launch(cmd, filepath.Join(s.folder.Path(), keeper.LogFile))
	if err != nil {
		return fmt.Errorf("embedded: start %s: %w", cmd.Path, err)
	}
	if err := p.Ready(ctx, func(ctx context.Context) error { return s.ping(ctx, port) }); err != nil {
		p.End(time.Second)
		return fmt.Errorf("embedded: %s on port %d: %w", s.program, port, err)
	}
	s.process = p
	return nil
}

// ping succeeds when our server answers: one that took the port from us knows no password
// of ours.
func (s *programStore) ping(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	address := url.URL{Scheme: "http", Host: keeper.Loopback + ":" + strconv.Itoa(port), Path: "/", RawQuery: "query=SELECT+1"}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return err
	}
	request.SetBasicAuth(User, s.secrets[User])
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	const answerBytesMax = 4096
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(answer)) != "1" {
		return fmt.Errorf("SELECT 1 was answered by %s: %s", response.Status, answer)
	}
	return nil
}

func (s *programStore) Kill() { s.end() }

// Stop lets a kept store write what it holds in memory; one that is removed next needs no
// order.
func (s *programStore) Stop() {
	if s.options.Dir == "" {
		s.end()
	} else {
		s.end(syscall.SIGTERM)
	}
}

func (s *programStore) end(signals ...syscall.Signal) {
	const wait = 10 * time.Second
	s.process.End(wait, signals...)
	s.process = nil
}

func (s *programStore) Remove() { s.folder.Close() }

func (s *programStore) State() keeper.Reply {
	return keeper.Reply{Dir: s.folder.Path(), Port: s.port, PID: s.process.PID(), Secrets: s.secrets}
}
