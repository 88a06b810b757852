package keeper

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ChildrenOf lists the processes that pid started and that still run.
func ChildrenOf(pid int) []int {
	if HasProc() {
		return parseParents(linuxParents(), pid)
	}
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil
	}
	return parseParents(out, pid)
}

// HasProc reports whether /proc shows the processes.
func HasProc() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}

// linuxParents reads "pid ppid" lines from /proc, since `ps` may not be installed.
func linuxParents() []byte {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	var lines bytes.Buffer
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		// "pid (name) state ppid …": the name may hold spaces and brackets.
		text := string(stat)
		var state string
		var parent int
		if _, err := fmt.Sscan(text[strings.LastIndexByte(text, ')')+1:], &state, &parent); err == nil {
			fmt.Fprintln(&lines, filepath.Base(filepath.Dir(file)), parent)
		}
	}
	return lines.Bytes()
}

func parseParents(lines []byte, parent int) []int {
	var children []int
	for scanner := bufio.NewScanner(bytes.NewReader(lines)); scanner.Scan(); {
		var pid, ppid int
		if _, err := fmt.Sscan(scanner.Text(), &pid, &ppid); err == nil && ppid == parent {
			children = append(children, pid)
		}
	}
	return children
}

// WaitGone returns when none of the processes runs any more, or after the bound.
func WaitGone(pids []int, bound time.Duration) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(bound); time.Now().Before(end) && slices.ContainsFunc(pids, runs); {
		<-tick.C
	}
}

// runs reports whether the process is there and is not a zombie, which holds nothing.
func runs(pid int) bool {
	if syscall.Kill(pid, 0) == syscall.ESRCH {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) || !HasProc()
	}
	_, rest, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
	return !strings.HasPrefix(rest, "Z")
}
