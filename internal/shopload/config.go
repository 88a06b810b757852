// Package shopload is a shop's public: many buyers and a few keepers who send
// commands to the shop's HTTP API, and know nothing else of it. The demo, tests and
// benchmarks run it.
//
// Each worker is a number of buyers with a random source of its own, so that a seed
// sends the same commands in the same order per worker; how the workers interleave,
// and how far each comes in a given time, the machine decides.
//
// Every kind of event that the shop knows comes of it: some cards are expired, some
// products are nearly sold out or get discontinued, some buyers change their mind.
package shopload

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Config says how busy the public is.
type Config struct {
	// BaseURL is where the shop is, as http://127.0.0.1:8081.
	BaseURL string
	// Seed makes runs alike.
	Seed uint64
	// Duration is how long new things are begun; 0 is no bound, and then Rounds is needed.
	Duration time.Duration
	// Rounds is how many rounds each worker begins at most; 0 is no bound.
	Rounds int
	// Settle bounds the wait for orders under way after that. Default 30 s.
	Settle time.Duration
	// Workers send commands at the same time. Default 12.
	Workers int
	// Customers and Products are how many there are. Defaults 600 and 1,000.
	Customers, Products int
	// OrdersOpenMax bounds the orders that are under way: when the shop falls behind, the
	// public waits. Default 2,000.
	OrdersOpenMax int
	// CommandsPerSecond bounds the rate; 0 is as fast as the shop answers.
	CommandsPerSecond float64
	// Client sends the requests. Default: one of its own with a connection per worker.
	Client *http.Client
}

const (
	workersMax    = 256
	requestWait   = 30 * time.Second
	customersMax  = 1_000_000
	productsMax   = 100_000
	productsAtOne = 500
)

func (c Config) withDefaults() Config {
	setDefault(&c.Settle, 30*time.Second)
	setDefault(&c.Workers, 12)
	setDefault(&c.Customers, 600)
	setDefault(&c.Products, 1_000)
	setDefault(&c.OrdersOpenMax, 2_000)
	if c.Client == nil {
		c.Client = &http.Client{
			Timeout:   requestWait,
			Transport: &http.Transport{MaxIdleConns: c.Workers, MaxIdleConnsPerHost: c.Workers, DisableCompression: true},
		}
	}
	return c
}

func setDefault[T int | time.Duration](value *T, otherwise T) {
	if *value == 0 {
		*value = otherwise
	}
}

// validate reports every fault at once.
func (c Config) validate() error {
	var faults []error
	if u, err := url.Parse(c.BaseURL); err != nil || u.Host == "" {
		faults = append(faults, fmt.Errorf("BaseURL %q is no address like http://127.0.0.1:8081", c.BaseURL))
	}
	if c.Duration <= 0 && c.Rounds <= 0 {
		faults = append(faults, errors.New("the load would never end: set Duration or Rounds"))
	}
	for _, bound := range []struct {
		name          string
		n, least, max int
	}{
		{"Workers", c.Workers, 1, workersMax},
		{"Customers", c.Customers, c.Workers, customersMax},
		{"Products", c.Products, minProducts, productsMax},
		{"OrdersOpenMax", c.OrdersOpenMax, c.Workers, customersMax},
	} {
		if bound.n < bound.least || bound.n > bound.max {
			faults = append(faults, fmt.Errorf("%s is %d; it must be from %d to %d", bound.name, bound.n, bound.least, bound.max))
		}
	}
	return errors.Join(faults...)
}
