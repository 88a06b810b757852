package clickhouse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/readside/readside/internal/embedded/clickhousehttp"
	"github.com/readside/readside/internal/embedded/confine"
	"github.com/readside/readside/internal/embedded/install"
	"github.com/readside/readside/internal/embedded/keeper"
)

// libraryStore is the keeper's side of a ClickHouse. The server is a process of
// its own, so that it can be killed while its keeper lives.
type libraryStore struct {
	options Options
	library string
	account *keeper.Account
	folder  *keeper.Folder
	config  clickhousehttp.Config
	secrets map[string]string
	port    int
	process *keeper.Process
	leash   io.Closer // the server ends with it, so with us
}

// unconfinedVariable lets readers ask where the kernel cannot confine the server.
const unconfinedVariable = "READSIDE_UNCONFINED_READERS"

func (s *libraryStore) Prepare(context.Context) (err error) {
	if s.library, err = libraryHere(); err != nil {
		return err
	}
	if s.options.Unconfined == RefuseReaders && os.Getenv(unconfinedVariable) == "allow" {
		s.options.Unconfined = AllowReaders
	}
	if err := confine.Supported(); err != nil {
		fmt.Fprintf(os.Stderr, "embedded: ClickHouse runs unconfined: %v; the SQL of readers is refused unless %s=allow\n", err, unconfinedVariable)
	}
	if s.config, s.secrets, err = clickhousehttp.NewConfig(s.options.Readable); err != nil {
		return err
	}
	if s.folder, err = keeper.OpenFolder(s.options.Dir); err != nil {
		return err
	}
	return s.own()
}

// libraryHere is libchdb's path, or an error that says how to get a ClickHouse here.
func libraryHere() (string, error) {
	found, err := install.FindClickHouse()
	return found.Library, err
}

// own gives the folder to the server's user.
func (s *libraryStore) own() (err error) {
	data := filepath.Join(s.folder.Path(), dataDir)
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	if s.account, err = passingAccount(data); err != nil {
		return err
	}
	if err := s.account.CanReach(s.folder.Path()); err != nil {
		return err
	}
	return errors.Join(s.account.Own(s.folder.Path()), s.account.OwnAll(data))
}

func (s *libraryStore) Start(ctx context.Context) error {
	if s.process != nil {
		return errors.New("embedded: ClickHouse already runs")
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(keeper.Loopback, strconv.Itoa(s.port)))
	if err != nil {
		return fmt.Errorf("embedded: ClickHouse's port: %w", err)
	}
	defer listener.Close() // the server has its own copy
	s.port = listener.Addr().(*net.TCPAddr).Port
	return s.serve(ctx, listener.(*net.TCPListener))
}

// serve starts the server on a listener of ours: so no other process can take the
// port in between, and what answers on it is our server.
func (s *libraryStore) serve(ctx context.Context, listener *net.TCPListener) error {
	socket, err := listener.File()
	if err != nil {
		return err
	}
	defer socket.Close()
	library, err := os.Open(s.library)
	if err != nil {
		return err
	}
	defer library.Close()
	cmd, err := s.command(socket, library)
	if err != nil {
		return err
	}
	leash, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	p, err := keeper.Launch(cmd, filepath.Join(s.folder.Path(), keeper.LogFile))
	if err != nil {
		_ = leash.Close()
		return fmt.Errorf("embedded: start the ClickHouse server: %w", err)
	}
	s.process, s.leash = p, leash
	if err := json.NewEncoder(leash).Encode(s.orders()); err != nil {
		s.end()
		return fmt.Errorf("embedded: tell the ClickHouse server what to do: %w: %s", err, p.Tail())
	}
	url := "http://" + listener.Addr().String() + "/ping"
	if err := p.Ready(ctx, func(ctx context.Context) error { return pingHTTP(ctx, url) }); err != nil {
		s.end()
		return fmt.Errorf("embedded: ClickHouse: %w", err)
	}
	return nil
}

// command starts the process that shuts itself in and becomes the server. What it must
// know and others must not comes by standard input, not by the environment.
func (s *libraryStore) command(socket, library *os.File) (*exec.Cmd, error) {
	self, err := keeper.Executable()
	if err != nil {
		return nil, err
	}
	variable, err := keeper.ChildEnvironment(shutChild, walls{Dir: s.folder.Path(), Forgo: s.options.Unconfined == ForgoWalls})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Dir = s.folder.Path()
	cmd.ExtraFiles = []*os.File{socket, library}
	cmd.Env = []string{variable, "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account.Credential()}
	return cmd, nil
}

func (s *libraryStore) orders() serverOrders {
	return serverOrders{
		Dir: s.folder.Path(), Library: s.library,
		Allow: s.options.Unconfined == AllowReaders, HTTP: s.config,
	}
}

func pingHTTP(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}
	return nil
}

func (s *libraryStore) Kill() { s.end() }

// Stop lets a kept store close its files; one that is removed next needs no order.
func (s *libraryStore) Stop() {
	if s.options.Dir == "" {
		s.end()
	} else {
		s.end(syscall.SIGTERM)
	}
}

func (s *libraryStore) end(signals ...syscall.Signal) {
	const wait = 5 * time.Second
	s.process.End(wait, signals...)
	if s.leash != nil {
		_ = s.leash.Close()
	}
	s.process, s.leash = nil, nil
}

func (s *libraryStore) Remove() { s.folder.Close() }

func (s *libraryStore) State() keeper.Reply {
	return keeper.Reply{Dir: s.folder.Path(), Port: s.port, PID: s.process.PID(), Secrets: s.secrets}
}
