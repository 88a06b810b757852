package embedded

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
)

// keptClickHouse is the store of a ClickHouse: the library's, or a program's where the
// options name one or there is no library for this platform.
func keptClickHouse(options ClickHouseOptions) store {
	program := options.Program
	if program == "" {
		found, err := install.FindClickHouse()
		if err != nil || found.Program == "" {
			return &clickHouseStore{options: options} // it says what is missing
		}
		program = found.Program
	}
	return &clickHouseProgram{options: options, program: program}
}

// clickHouseProgram is the keeper's side of a `clickhouse` program. Readers are bounded by
// the server's own grants, constraints and quota; no kernel's wall stands around it.
type clickHouseProgram struct {
	options ClickHouseOptions
	program string
	account *account
	folder  *folder
	users   clickhousehttp.Config
	secrets map[string]string
	port    int
	process *process
}

// The files of its configuration, in the store's folder.
const (
	programConfig = "config.xml"
	programUsers  = "users.xml"
)

func (s *clickHouseProgram) prepare(context.Context) (err error) {
	if err := install.CheckClickHouse(s.program); err != nil {
		return err
	}
	if s.users, s.secrets, err = clickhousehttp.NewConfig(s.options.Readable); err != nil {
		return err
	}
	if s.folder, err = openFolder(s.options.Dir); err != nil {
		return err
	}
	data := s.data()
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	if s.account, err = passingAccount(data); err != nil {
		return err
	}
	if err := errors.Join(s.account.canReach(s.program), s.account.canReach(s.folder.path())); err != nil {
		return err
	}
	if err := errors.Join(s.account.enter(s.folder.path()), s.account.ownAll(data)); err != nil {
		return err
	}
	text, err := clickhouseserver.Users(s.users)
	if err != nil {
		return err
	}
	return s.write(programUsers, text)
}

func (s *clickHouseProgram) data() string { return filepath.Join(s.folder.path(), dataDir) }

// write makes a file that the server may read and only we may change.
func (s *clickHouseProgram) write(name string, text []byte) error {
	path := filepath.Join(s.folder.path(), name)
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
	return os.Lchown(path, os.Geteuid(), int(s.account.gid))
}

func (s *clickHouseProgram) start(ctx context.Context) error {
	if s.process != nil {
		return errors.New("embedded: ClickHouse already runs")
	}
	return onFreePort(&s.port, func(port int) error { return s.startOnce(ctx, port) })
}

func (s *clickHouseProgram) startOnce(ctx context.Context, port int) error {
	config, err := clickhouseserver.Server{
		Data: s.data(), Host: loopback, Port: port, UsersFile: filepath.Join(s.folder.path(), programUsers),
	}.Config()
	if err == nil {
		err = s.write(programConfig, config)
	}
	if err != nil {
		return err
	}
	cmd := exec.Command(s.program, "server", "--config-file="+filepath.Join(s.folder.path(), programConfig))
	cmd.Dir = s.data()
	// A watchdog would start the server as a process of its own, which we could not end.
	cmd.Env = []string{"CLICKHOUSE_WATCHDOG_ENABLE=0", "TZ=UTC", "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.account.credential()}
	endWithParent(cmd.SysProcAttr)
	p, err := launch(cmd, filepath.Join(s.folder.path(), storeLog))
	if err != nil {
		return fmt.Errorf("embedded: start %s: %w", cmd.Path, err)
	}
	if err := p.ready(ctx, func(ctx context.Context) error { return s.ping(ctx, port) }); err != nil {
		p.end(time.Second)
		return fmt.Errorf("embedded: %s on port %d: %w", s.program, port, err)
	}
	s.process = p
	return nil
}

// ping succeeds when our server answers: one that took the port from us knows no password
// of ours.
func (s *clickHouseProgram) ping(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	address := url.URL{Scheme: "http", Host: loopback + ":" + strconv.Itoa(port), Path: "/", RawQuery: "query=SELECT+1"}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return err
	}
	request.SetBasicAuth(ClickHouseUser, s.secrets[ClickHouseUser])
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

func (s *clickHouseProgram) kill() { s.end() }

// stop lets a kept store write what it holds in memory; one that is removed next needs no
// order.
func (s *clickHouseProgram) stop() {
	if s.options.Dir == "" {
		s.end()
	} else {
		s.end(syscall.SIGTERM)
	}
}

func (s *clickHouseProgram) end(signals ...syscall.Signal) {
	const wait = 10 * time.Second
	s.process.end(wait, signals...)
	s.process = nil
}

func (s *clickHouseProgram) remove() { s.folder.close() }

func (s *clickHouseProgram) state() reply {
	return reply{Dir: s.folder.path(), Port: s.port, PID: s.process.pid(), Secrets: s.secrets}
}
