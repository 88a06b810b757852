package service

import (
	"net"
	"strings"
	"testing"
)

func TestABusyDefaultPortTakesTheNextFreeOneAndSaysSo(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	var said []string
	a := Address{Variable: "READSIDE_SHOP_ADDR", HostPort: busy.Addr().String()}
	l, err := Listen(a, func(m string) { said = append(said, m) })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.Addr().String() == a.HostPort {
		t.Error("two listen on one address")
	}
	if len(said) != 1 || !strings.Contains(said[0], a.HostPort) || !strings.Contains(said[0], l.Addr().String()) || !strings.Contains(said[0], a.Variable) {
		t.Errorf("it said %q", said)
	}
}

func TestABusyExplicitPortIsAnError(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	a := Address{Variable: "READSIDE_SHOP_ADDR", HostPort: busy.Addr().String(), Explicit: true}
	_, err = Listen(a, func(m string) { t.Errorf("it said %q", m) })
	if err == nil || !strings.Contains(err.Error(), a.Variable) {
		t.Errorf("the error: %v", err)
	}
}

func TestAFreePortIsTakenSilently(t *testing.T) {
	l, err := Listen(Address{Variable: "V", HostPort: "127.0.0.1:0"}, func(m string) { t.Errorf("it said %q", m) })
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}

func TestNonsenseAddressesAreNamed(t *testing.T) {
	for _, address := range []string{"", "nonsense", "127.0.0.1", "127.0.0.1:http-alt", "127.0.0.1:70000"} {
		_, err := Listen(Address{Variable: "READSIDE_SHOP_ADDR", HostPort: address}, func(string) {})
		if err == nil || !strings.Contains(err.Error(), "READSIDE_SHOP_ADDR") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestRolesAndMartFollowFromTheCommonAddresses(t *testing.T) {
	s := Stores{PostgresURL: "postgres://me:secret@db:5432/shop?sslmode=require", ClickHouseURL: "http://me:secret@ch:8123/readside?compress=lz4"}
	for _, c := range []struct {
		got  func() (string, error)
		want string
	}{
		{s.Projector, "postgres://me:secret@db:5432/shop?role=readside_projector&sslmode=require"},
		{s.Query, "postgres://me:secret@db:5432/shop?role=readside_query&sslmode=require"},
		{s.Importer, "postgres://me:secret@db:5432/shop?role=readside_importer&sslmode=require"},
		{s.Mart, "http://me:secret@ch:8123/mart?compress=lz4"},
		{Stores{ClickHouseURL: "http://ch:8123/facts"}.Mart, "http://ch:8123/facts_mart"},
		{Stores{PostgresURL: "x", ProjectorURL: "own"}.Projector, "own"},
		{Stores{ProjectorURL: "postgres://folder@db/shop"}.Projector, "postgres://folder@db/shop?role=readside_projector"},
		{Stores{QueryURL: "postgres://asker@db/shop?role=another"}.Query, "postgres://asker@db/shop?role=another"},
		{Stores{ImporterURL: "host=db user=loader"}.Importer, "host=db user=loader role=readside_importer"},
	} {
		if got, err := c.got(); err != nil || got != c.want {
			t.Errorf("%q, %v; want %q", got, err, c.want)
		}
	}
}
