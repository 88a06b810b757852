package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// viewsOnly is a program that only has views, and stores of others.
const viewsOnly = `package main

import (
	"github.com/readside/readside"
	"github.com/readside/readside/projections"
)

type Joined struct{ ID string }

func (Joined) EventType() (string, int) { return "members.Joined", 1 }

type Member struct {
	ID string ` + "`view:\"id,key\"`" + `
}

var members = projections.View[Member]{Name: "member", Version: 1, Handlers: []projections.Handler[Member]{
	projections.Create(func(e Joined) string { return e.ID }, func(*Member, Joined, projections.Meta) error { return nil }),
}}

func main() {
	readside.Main(readside.App{Name: "members", Set: func() (*projections.Set, error) { return projections.NewSet(&members) }})
}
`

// notCarried are what such a program must not depend on: clients of brokers and of other
// queues, and everything that starts a store.
var notCarried = []string{
	"watermill-", "kafka", "sarama", "nats", "amqp", "rabbitmq", "redis",
	"readside/internal/embedded", "readside/internal/ownstores", "readside/stores/embedded", "purego", "landlock", "seccomp",
}

// dependencies lists what a program depends on that only has views.
func dependencies(ctx context.Context, o options) (figures []string, err error) {
	dir, err := os.MkdirTemp("", "readside-views-only-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	repo, err := filepath.Abs(o.repo)
	if err != nil {
		return nil, err
	}
	const path = "github.com/readside/readside"
	mod := "module members\n\ngo 1.26.0\n\nrequire " + path + " v0.0.0-00010101000000-000000000000\n\nreplace " + path + " => " + repo + "\n"
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o600), os.WriteFile(filepath.Join(dir, "main.go"), []byte(viewsOnly), 0o600)); err != nil {
		return nil, err
	}
	if _, err := command(ctx, dir, nil, o.progress, "go", "mod", "tidy"); err != nil {
		return nil, err
	}
	out, err := command(ctx, dir, nil, o.progress, "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	if err != nil {
		return nil, err
	}
	all := strings.Fields(string(out))
	var faults []error
	for _, p := range all {
		for _, not := range notCarried {
			if strings.Contains(p, not) {
				faults = append(faults, fmt.Errorf("a program that only has views carries %s", p))
			}
		}
	}
	if len(all) < 10 {
		faults = append(faults, fmt.Errorf("only %d packages are listed", len(all)))
	}
	return append([]string{fmt.Sprintf("%d packages besides the standard library:", len(all))}, all...), errors.Join(faults...)
}
