package embedded

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
)

// clickHouseStore is the keeper's side of a ClickHouse. The server is a process of
// its own, so that it can be killed while its keeper lives.
type clickHouseStore struct {
	options ClickHouseOptions
	library string
	account *account
	folder  *folder
	config  clickhousehttp.Config
	secrets map[string]string
	port    int
	process *process
	leash   io.Closer // the server ends with it, so with us
}

// unconfinedVariable lets readers ask where the kernel cannot confine the server.
const unconfinedVariable = "READSIDE_UNCONFINED_READERS"

func (s *clickHouseStore) prepare(context.Context) (err error) {
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
	if s.folder, err = openFolder(s.options.Dir); err != nil {
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
func (s *clickHouseStore) own() (err error) {
	data := filepath.Join(s.folder.path(), dataDir)
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	if s.account, err = passingAccount(data); err != nil {
		return err
	}
	if err := s.account.canReach(s.folder.path()); err != nil {
		return err
	}
	return errors.Join(s.account.own(s.folder.path()), s.account.ownAll(data))
}

func (s *clickHouseStore) start(ctx context.Context) error {
	if s.process != nil {
		return errors.New("embedded: ClickHouse already runs")
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(s.port)))
	if err != nil {
		return fmt.Errorf("embedded: ClickHouse's port: %w", err)
	}
	defer listener.Close() // the server has its own copy
	s.port = listener.Addr().(*net.TCPAddr).Port
	return s.serve(ctx, listener.(*net.TCPListener))
}

// serve starts the server on a listener of ours: so no other process can take the
// port in between, and what answers on it is our server.
func (s *clickHouseStore) serve(ctx context.Context, listener *net.TCPListener) error {
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
	p, err := launch(cmd, filepath.Join(s.folder.path(), storeLog))
	if err != nil {
		_ = leash.Close()
		return fmt.Errorf("embedded: start the ClickHouse server: %w", err)
	}
	s.process, s.leash = p, leash
	if err := json.NewEncoder(leash).Encode(s.orders()); err != nil {
		s.end()
		return fmt.Errorf("embedded: tell the ClickHouse server what to do: %w: %s", err, p.tail())
	}
	url := "http://" + listener.Addr().String() + "/ping"
	if err := p.ready(ctx, func(ctx context.Context) error { return pingHTTP(ctx, url) }); err != nil {
		s.end()
		return fmt.Errorf("embedded: ClickHouse: %w", err)
	}
	return nil
}

// command starts the process that shuts itself in and becomes the server. What it must
// know and others must not comes by standard input, not by the environment.
func (s *clickHouseStore) command(socket, library *os.File) (*exec.Cmd, error) {
	self, err := executable()
	if err != nil {
		return nil, err
	}
	spec, err := json.Marshal(childSpec{Shut: &walls{Dir: s.folder.path(), Forgo: s.options.Unconfined == ForgoWalls}})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Dir = s.folder.path()
	cmd.ExtraFiles = []*os.File{socket, library}
	cmd.Env = []string{childVariable + "=" + string(spec), "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account.credential()}
	return cmd, nil
}

func (s *clickHouseStore) orders() serverOrders {
	return serverOrders{
		Dir: s.folder.path(), Library: s.library,
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

func (s *clickHouseStore) kill() { s.end() }

// stop lets a kept store close its files; one that is removed next needs no order.
func (s *clickHouseStore) stop() {
	if s.options.Dir == "" {
		s.end()
	} else {
		s.end(syscall.SIGTERM)
	}
}

func (s *clickHouseStore) end(signals ...syscall.Signal) {
	const wait = 5 * time.Second
	s.process.end(wait, signals...)
	if s.leash != nil {
		_ = s.leash.Close()
	}
	s.process, s.leash = nil, nil
}

func (s *clickHouseStore) remove() { s.folder.close() }

func (s *clickHouseStore) state() reply {
	return reply{Dir: s.folder.path(), Port: s.port, PID: s.process.pid(), Secrets: s.secrets}
}
