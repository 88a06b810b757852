package embedded

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// childrenOf lists the processes that pid started and that still run.
func childrenOf(pid int) []int {
	if _, err := os.Stat("/proc/self/stat"); err == nil {
		return parseParents(linuxParents(), pid)
	}
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil
	}
	return parseParents(out, pid)
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
