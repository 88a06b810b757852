package clickhouse

import (
	"bufio"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/readside/readside/internal/embedded/confine"
	"github.com/readside/readside/internal/embedded/keeper"
)

// Where the server finds what it inherits: the first of cmd.ExtraFiles and on.
const (
	listenerFile   = 3
	libraryFile    = 4
	inheritedFiles = 5 // and no further one
)

// dataDir is the folder within a store's that the server may write.
const dataDir = "data"

// walls tells the process between keeper and server what to confine.
type walls struct {
	// Dir is the store's folder.
	Dir string
	// Forgo leaves the walls away.
	Forgo bool
}

// shutIn makes this process the server: confined where the kernel can, with an
// environment that holds no secret, and no descriptor but those that the keeper gave. It
// returns only when that failed.
func shutIn(w walls) int {
	if err := confine.OnlyInherit(inheritedFiles); err != nil {
		fmt.Fprintln(os.Stderr, "embedded ClickHouse:", err)
		return 1
	}
	unconfined := confine.Supported()
	if w.Forgo {
		unconfined = fmt.Errorf("%w; the store was started without walls", confine.ErrUnsupported)
	}
	self, err := keeper.Executable()
	if err == nil && unconfined == nil {
		err = enterWalls(w, self)
	} else if err == nil {
		err = become(self, serverSpec{Unconfined: unconfined.Error()})
	}
	fmt.Fprintln(os.Stderr, "embedded ClickHouse:", err)
	return 1
}

func enterWalls(w walls, self string) error {
	programs, err := executed(self)
	if err != nil {
		return err
	}
	environment, err := serverEnvironment(serverSpec{Confined: true})
	if err != nil {
		return err
	}
	return confine.Enter(confine.Walls{
		Writable: filepath.Join(w.Dir, dataDir),
		Programs: programs,
		Readable: append(needed(programs), fmt.Sprintf("/proc/self/fd/%d", libraryFile)),
	}, self, []string{os.Args[0]}, environment)
}

// become makes this process the server, without a further wall.
func become(self string, spec serverSpec) error {
	environment, err := serverEnvironment(spec)
	if err != nil {
		return err
	}
	return fmt.Errorf("execute %s: %w", self, syscall.Exec(self, []string{os.Args[0]}, environment))
}

// serverEnvironment is all that the server's environment holds.
func serverEnvironment(spec serverSpec) ([]string, error) {
	variable, err := keeper.ChildEnvironment(serverChild, spec)
	return []string{variable, "TZ=UTC"}, err
}

// executed are the files that are this running program: itself and what the loader has
// mapped for it.
func executed(self string) ([]string, error) {
	files := []string{self}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		// "address permissions offset device inode path"
		_, path, found := strings.Cut(lines.Text(), " /")
		path = "/" + path
		if !found || !strings.Contains(filepath.Base(path), ".so") || slices.Contains(files, path) {
			continue
		}
		files = append(files, path)
	}
	return files, nil
}

// needed are the files that the library will want to be loaded: it names them, and they
// lie where this program's are.
func needed(mapped []string) []string {
	files := []string{"/etc/ld.so.cache"}
	library, err := elf.Open(fmt.Sprintf("/proc/self/fd/%d", libraryFile))
	if err != nil {
		return present(files) // the loader then says what is missing
	}
	defer library.Close()
	names, _ := library.ImportedLibraries()
	for _, file := range mapped {
		for _, name := range names {
			files = append(files, filepath.Join(filepath.Dir(file), name))
		}
	}
	return present(files)
}

func present(files []string) []string {
	return slices.DeleteFunc(files, func(file string) bool { _, err := os.Stat(file); return err != nil })
}
