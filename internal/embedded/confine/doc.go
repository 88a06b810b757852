// Package confine shuts a process in, so that a fault of the program that runs in it
// gives nothing of the machine away.
//
// Two walls stand, both of the kernel, and neither can be taken down again:
//
//   - Landlock: the process reads and writes one folder and reads the few files that it
//     is made of. It reaches no other file, whatever path, link or descriptor leads there.
//   - seccomp: the process makes no socket, runs no program, signals and traces no other
//     process. Sockets that it was handed stay open.
//
// Landlock counts per thread, and Go has threads before main begins. So a process
// restricts one thread and executes a program from it (Enter); everything that this
// program does is confined. Seal then adds the second wall, which needs no execution.
package confine

import "errors"

// ABIMin is the lowest version of Landlock that confines: since version 2 (Linux 5.19)
// files may be moved between folders, as ClickHouse moves its parts.
const ABIMin = 2

// ErrUnsupported is returned where the kernel cannot confine.
var ErrUnsupported = errors.New("this system cannot confine a process: Linux 5.19 or newer with Landlock and seccomp is needed")

// Walls is what stays in reach.
type Walls struct {
	// Writable is the folder whose files may be read and written.
	Writable string
	// Programs are the files that may be executed and read, Readable those that may be read.
	Programs, Readable []string
}
