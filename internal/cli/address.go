package cli

import (
	"github.com/readside/readside/internal/service"
)

// Listener is an environment variable that says where a service listens.
type Listener struct {
	// Variable is its name without the prefix, such as PROJECT_ADDR.
	Variable string
	// Default is where it listens while the variable is not set, as host:port.
	Default string
	// Serves is what is there, for the list of variables.
	Serves string
}

// ProjectHealth is where project serves its health.
var ProjectHealth = Listener{"PROJECT_ADDR", "127.0.0.1:8082", "where project serves /healthz, /readyz and /metrics"}

// Commands is where an application's services listen for commands.
func (s *Services) Commands() Listener {
	return Listener{variableWord(s.Command) + "_ADDR", "127.0.0.1:8081", "where " + s.Command + " listens for commands"}
}

// Health is where they serve their health.
func (s *Services) Health() Listener {
	return Listener{variableWord(s.Command) + "_STATUS_ADDR", "127.0.0.1:8083", "where " + s.Command + " serves /healthz, /readyz and /metrics"}
}

// Address is where a listener is, as the environment says.
func (p *Program) Address(l Listener) service.Address {
	at := p.addressAt(l.Variable, l.Default)
	if value, set := p.Lookup(at.Variable); set && value != "" {
		at.HostPort = value
	}
	return at
}

// addressAt is an address that was read already.
func (p *Program) addressAt(variable, hostPort string) service.Address {
	name := p.App.Variable(variable)
	value, set := p.Lookup(name)
	return service.Address{Variable: name, HostPort: hostPort, Explicit: set && value != ""}
}

// QueryAddress is where the query API listens, which its own settings say.
func (p *Program) QueryAddress(hostPort string) service.Address {
	return p.addressAt("HTTP_ADDR", hostPort)
}
