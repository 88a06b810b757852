package compose

import (
	"context"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const file = "../../deploy/compose.yaml"

// passwords are the variables without which nothing may start.
var passwords = []string{"READSIDE_POSTGRES_PASSWORD", "READSIDE_CLICKHOUSE_PASSWORD"}

func load(t *testing.T, environment ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{file}, cli.WithEnv(environment))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(context.Background())
}

func project(t *testing.T) *types.Project {
	t.Helper()
	var environment []string
	for _, name := range passwords {
		environment = append(environment, name+"=secret-of-"+name)
	}
	loaded, err := load(t, environment...)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestBothStoresAreThere(t *testing.T) {
	for _, name := range []string{"postgres", "clickhouse"} {
		if _, err := project(t).GetService(name); err != nil {
			t.Error(err)
		}
	}
}

// Compose itself refuses to start without the passwords, and says which is missing.
func TestPasswordsAreDemanded(t *testing.T) {
	for _, missing := range passwords {
		var environment []string
		for _, name := range passwords {
			if name != missing {
				environment = append(environment, name+"=secret")
			}
		}
		if _, err := load(t, environment...); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: got %v", missing, err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	written := regexp.MustCompile(`(?im)^\s*\w*password:\s+([^$\s].*)`)
	if found := written.FindSubmatch(text); found != nil {
		t.Errorf("a password stands in the file: %s", found[0])
	}
}

// versionTag is a tag of at least two numbers: "17.6", not "17" and not "latest".
var versionTag = regexp.MustCompile(`:\d+\.\d+[0-9.]*$`)

func TestServices(t *testing.T) {
	for name, service := range project(t).Services {
		t.Run(name, func(t *testing.T) {
			if !versionTag.MatchString(service.Image) {
				t.Errorf("image %s is not pinned to a version", service.Image)
			}
			if service.NetworkMode == "host" {
				t.Error("it listens on the machine's own network")
			}
			if service.HealthCheck == nil || service.HealthCheck.Disable || len(service.HealthCheck.Test) < 2 {
				t.Error("it has no health check")
			}
			checkPorts(t, service)
			checkVolumes(t, service)
		})
	}
}

func checkPorts(t *testing.T, service types.ServiceConfig) {
	t.Helper()
	if len(service.Ports) == 0 {
		t.Error("nobody can reach it")
	}
	for _, port := range service.Ports {
		address, err := netip.ParseAddr(port.HostIP)
		if err != nil || !address.IsLoopback() {
			t.Errorf("port %s is open to the network", net.JoinHostPort(port.HostIP, port.Published))
		}
	}
}

func checkVolumes(t *testing.T, service types.ServiceConfig) {
	t.Helper()
	if len(service.Volumes) == 0 {
		t.Error("its data dies with it")
	}
	for _, volume := range service.Volumes {
		if volume.Type != types.VolumeTypeVolume || volume.Source == "" {
			t.Errorf("its data stands in a %s %q, not in a named volume", volume.Type, volume.Source)
		}
	}
}
