//go:build linux && (amd64 || arm64)

package confine

import (
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/landlock-lsm/go-landlock/landlock"
	landlocksys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Supported returns an error that wraps ErrUnsupported unless the kernel can confine.
func Supported() error {
	abi, err := landlocksys.LandlockGetABIVersion()
	if err != nil {
		return fmt.Errorf("%w; asking for Landlock: %w", ErrUnsupported, err)
	}
	if err := enough(abi); err != nil {
		return err
	}
	if !seccomp.Supported() {
		return fmt.Errorf("%w; it has no seccomp", ErrUnsupported)
	}
	return nil
}

// enough checks a version of Landlock.
func enough(abi int) error {
	if abi < ABIMin {
		return fmt.Errorf("%w; Landlock is version %d, and %d is the lowest", ErrUnsupported, abi, ABIMin)
	}
	return nil
}

// What may be done with a file that is executed, and below the writable folder. There
// are no devices, sockets and pipes to be made.
const (
	reading   = landlocksys.AccessFSReadFile
	executing = landlocksys.AccessFSReadFile | landlocksys.AccessFSExecute
	writing   = landlocksys.AccessFSReadFile | landlocksys.AccessFSReadDir | landlocksys.AccessFSWriteFile |
		landlocksys.AccessFSRemoveFile | landlocksys.AccessFSRemoveDir | landlocksys.AccessFSMakeReg |
		landlocksys.AccessFSMakeDir | landlocksys.AccessFSMakeSym | landlocksys.AccessFSRefer | landlocksys.AccessFSTruncate
)

// Enter executes the program behind Landlock's wall. It returns only an error. The
// program cannot gain rights by executing others, and finds open only the descriptors
// that were meant to be inherited (see OnlyInherit).
func Enter(w Walls, program string, argv, environment []string) error {
	if err := Supported(); err != nil {
		return err
	}
	rules, err := landlockRules(w)
	if err != nil {
		return err
	}
	runtime.LockOSThread() // for good: this thread is confined, the others are not
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	if err := landlocksys.LandlockRestrictSelf(rules, 0); err != nil {
		return fmt.Errorf("confine the thread by Landlock: %w", err)
	}
	return fmt.Errorf("execute %s behind Landlock's wall: %w", program, unix.Exec(program, argv, environment))
}

// landlockRules makes the ruleset. All of files, TCP, abstract sockets and signals that
// this kernel can restrict is restricted; what is not listed is refused.
func landlockRules(w Walls) (int, error) {
	rules := []landlock.Rule{
		landlock.PathAccess(writing, w.Writable),
		landlock.PathAccess(executing, w.Programs...),
		landlock.PathAccess(reading, w.Readable...),
	}
	ruleset, _, err := landlock.V7.BestEffort().NewRulesetFD(rules...)
	if err != nil {
		return 0, fmt.Errorf("make Landlock's rules: %w", err)
	}
	if ruleset < 0 {
		return 0, fmt.Errorf("%w; Landlock restricted nothing", ErrUnsupported)
	}
	return ruleset, nil
}

// refused are the system calls behind the second wall: those that reach another process,
// another machine or another name space, and io_uring, which would carry them out unseen.
var refused = []string{
	"socket", "connect", "bind", "listen",
	"execve", "execveat",
	"ptrace", "process_vm_readv", "process_vm_writev", "kill", "tkill", "pidfd_open", "pidfd_getfd", "pidfd_send_signal",
	"io_uring_setup", "io_uring_enter", "io_uring_register",
	"mount", "umount2", "chroot", "pivot_root", "setns", "unshare", "open_by_handle_at",
	"bpf", "perf_event_open", "userfaultfd", "add_key", "request_key", "keyctl",
}

// abiTruncates is the version since which Landlock knows that a file is cut off.
const abiTruncates = 3

// Seal adds the second wall to every thread of this process.
func Seal() error {
	names := refused
	if abi, err := landlocksys.LandlockGetABIVersion(); err != nil || abi < abiTruncates {
		names = append(slices.Clone(names), "truncate")
	}
	filter := seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionAllow,
			Syscalls:      []seccomp.SyscallGroup{{Names: names, Action: seccomp.ActionErrno}},
		},
	}
	if err := seccomp.LoadFilter(filter); err != nil {
		return fmt.Errorf("refuse sockets and programs by seccomp: %w", err)
	}
	return nil
}

// OnlyInherit closes every descriptor from the first one on when a program is executed:
// those that a parent of ours let through are no business of the program's.
func OnlyInherit(first int) error {
	if err := unix.CloseRange(uint(first), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close inherited descriptors: %w", err)
	}
	return nil
}

// OnMainThread reports whether the caller runs on the process's first thread.
func OnMainThread() bool { return unix.Gettid() == unix.Getpid() }
