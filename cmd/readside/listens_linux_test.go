package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listensWhereItSays fails unless all that the demo's processes listen on is loopback, and
// printed: docs/security.md lists these, and there is no other.
func (p *process) listensWhereItSays(t *testing.T) {
	t.Helper()
	sockets := map[string]bool{}
	for pid := range p.family {
		links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, "socket:[") {
				sockets[strings.Trim(to, "socket:[]")] = true
			}
		}
	}
	found := 0
	for at, inode := range listening(t) {
		if !sockets[inode] {
			continue
		}
		found++
		if !at.Addr().IsLoopback() {
			t.Errorf("the demo listens on %s", at)
		}
		if !strings.Contains(p.all.String(), at.String()) {
			t.Errorf("the demo listens on %s and does not say so:\n%s", at, p.all.String())
		}
	}
	if found < 4 { // GraphQL, commands, Postgres, ClickHouse
		t.Errorf("the demo listens on %d addresses", found)
	}
}

// listening are the addresses that somebody of this machine listens on, with the inode of
// the socket.
func listening(t *testing.T) map[netip.AddrPort]string {
	t.Helper()
	const listens = "0A"
	all := map[netip.AddrPort]string{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if os.IsNotExist(err) {
			continue // a kernel without IPv6
		}
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 9 && f[3] == listens {
				all[address(t, f[1])] = f[9]
			}
		}
	}
	return all
}

// address reads what the kernel writes as 0100007F:1F90: words in the order of this
// machine, and the port.
func address(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	words, err := hex.DecodeString(host)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+4 <= len(words); i += 4 {
		binary.BigEndian.PutUint32(words[i:], binary.NativeEndian.Uint32(words[i:]))
	}
	ip, ok := netip.AddrFromSlice(words)
	var n uint16
	if _, err := fmt.Sscanf(port, "%X", &n); err != nil || !ok {
		t.Fatalf("%s is no address", text)
	}
	return netip.AddrPortFrom(ip.Unmap(), n)
}
