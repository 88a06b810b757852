package queryapi

import (
	"errors"
	"net"
	"time"

	"github.com/readside/readside/internal/settings"
)

// Config configures the query service. The tags are for envconfig.
type Config struct {
	// Application is the one that the stores belong to; every other application's are
	// refused. The program says which it is, not the environment.
	Application string `ignored:"true"`
	// HTTPAddr is where the service listens. Until there are rules about who may see
	// what, an address that is not loopback is refused.
	HTTPAddr string `envconfig:"HTTP_ADDR" default:"127.0.0.1:8080" desc:"address of the query API; loopback only"`
	// RequestTimeout bounds a request, its wait for a position included.
	RequestTimeout time.Duration `envconfig:"QUERY_TIMEOUT" default:"15s" desc:"most time that a query may take, waiting included"`
	// InFlightMax bounds requests being answered; more are refused as busy.
	InFlightMax int `envconfig:"QUERY_IN_FLIGHT_MAX" default:"128" desc:"queries answered at the same time; more get 503"`
	// ReportTZ is the time zone that the months and days of reports are cut in.
	ReportTZ string `envconfig:"REPORT_TZ" default:"UTC" desc:"time zone of the months in reports, an IANA name"`
	// DrainTimeout bounds how long running requests may take to end at a shutdown.
	DrainTimeout time.Duration `envconfig:"DRAIN_TIMEOUT" default:"10s" desc:"most time that running requests have at a shutdown"`
}

// Validate reports all faults at once.
func (c Config) Validate() error {
	var errs []error
	if err := c.loopbackOnly(); err != nil {
		errs = append(errs, err)
	}
	if c.RequestTimeout <= 0 || c.RequestTimeout > time.Minute {
		errs = append(errs, settings.Wrong(c, "RequestTimeout", "is %v: use more than 0 and at most 1m", c.RequestTimeout))
	}
	if c.InFlightMax < 1 || c.InFlightMax > 10_000 {
		errs = append(errs, settings.Wrong(c, "InFlightMax", "is %d: use 1 to 10000", c.InFlightMax))
	}
	if _, err := time.LoadLocation(c.ReportTZ); err != nil || c.ReportTZ == "" || c.ReportTZ == "Local" {
		errs = append(errs, settings.Wrong(c, "ReportTZ", "is %q: use an IANA name such as Europe/Berlin", c.ReportTZ))
	}
	if c.DrainTimeout <= 0 || c.DrainTimeout > 5*time.Minute {
		errs = append(errs, settings.Wrong(c, "DrainTimeout", "is %v: use more than 0 and at most 5m", c.DrainTimeout))
	}
	return errors.Join(errs...)
}

// loopbackOnly refuses addresses that other machines can reach. Only literal loopback
// addresses and localhost count: another name may mean something else tomorrow.
func (c Config) loopbackOnly() error {
	host, _, err := net.SplitHostPort(c.HTTPAddr)
	if err != nil {
		return settings.Wrong(c, "HTTPAddr", "is %q: use host:port, such as 127.0.0.1:8080", c.HTTPAddr)
	}
	if host == "localhost" {
		return nil
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return settings.Wrong(c, "HTTPAddr", "is %q, which other machines can reach: there are no rules yet about who may see what, so use 127.0.0.1", c.HTTPAddr)
	}
	return nil
}
