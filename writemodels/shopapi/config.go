package shopapi

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/readside/readside/internal/settings"
)

// Config is the shop's configuration. The tags are for envconfig.
type Config struct {
	// PostgresURL is the server that the services' own addresses default to.
	PostgresURL string `envconfig:"POSTGRES_URL" desc:"Postgres of the log and of every service that has no URL of its own"`
	IdentityURL string `envconfig:"IDENTITY_URL" desc:"Postgres of identity; default: POSTGRES_URL as role shop_identity"`
	CatalogURL  string `envconfig:"CATALOG_URL" desc:"Postgres of catalog; default: POSTGRES_URL as role shop_catalog"`
	BasketURL   string `envconfig:"BASKET_URL" desc:"Postgres of basket; default: POSTGRES_URL as role shop_basket"`
	OrderingURL string `envconfig:"ORDERING_URL" desc:"Postgres of ordering; default: POSTGRES_URL as role shop_ordering"`
	PaymentURL  string `envconfig:"PAYMENT_URL" desc:"Postgres of payment; default: POSTGRES_URL as role shop_payment"`

	// Grace is the buyer's time to think again after checking out.
	Grace time.Duration `envconfig:"SHOP_GRACE" default:"2s" desc:"the buyer's time to think again after checking out"`
	// CardLimit is the highest amount that a card pays, in minor units of any currency.
	CardLimit int64 `envconfig:"SHOP_CARD_LIMIT" default:"500000" desc:"the highest amount that a card pays, in minor units"`
	// KeyAge is how long answers are remembered for their idempotency keys.
	KeyAge time.Duration `envconfig:"SHOP_KEY_AGE" default:"24h" desc:"how long an Idempotency-Key is remembered"`
	// ConnsMax bounds each service's connections.
	ConnsMax int32 `envconfig:"SHOP_CONNS_MAX" default:"8" desc:"connections of each service to Postgres at most"`
}

const (
	graceMax    = 24 * time.Hour
	keyAgeMin   = time.Minute
	connsMinMax = 3
	connsMaxMax = 100
)

// Validate reports every fault at once.
func (c Config) Validate() error {
	var faults []error
	for _, s := range c.addresses() {
		if _, err := s.resolve(c.PostgresURL); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(append(faults, c.limits())...)
}

// limits reports the faults of everything but the addresses.
func (c Config) limits() error {
	var faults []error
	if c.Grace < 0 || c.Grace > graceMax {
		faults = append(faults, settings.Wrong(c, "Grace", "is %s; it must be from 0s to %s", c.Grace, graceMax))
	}
	if c.CardLimit < 1 {
		faults = append(faults, settings.Wrong(c, "CardLimit", "is %d; it must be positive", c.CardLimit))
	}
	if c.KeyAge < keyAgeMin {
		faults = append(faults, settings.Wrong(c, "KeyAge", "is %s; it must be at least %s", c.KeyAge, keyAgeMin))
	}
	if c.ConnsMax < connsMinMax || c.ConnsMax > connsMaxMax {
		faults = append(faults, settings.Wrong(c, "ConnsMax", "is %d; it must be from %d to %d", c.ConnsMax, connsMinMax, connsMaxMax))
	}
	return errors.Join(faults...)
}

// LoggedIn returns the configuration with the address of every service filled in: login
// returns the address at which a service connects as its role, given its own one, which
// may be empty.
func (c Config) LoggedIn(ctx context.Context, login func(ctx context.Context, own, role string) (string, error)) (Config, error) {
	for _, s := range []struct {
		name string
		own  *string
	}{
		{"identity", &c.IdentityURL}, {"catalog", &c.CatalogURL}, {"basket", &c.BasketURL}, {"ordering", &c.OrderingURL}, {"payment", &c.PaymentURL},
	} {
		var err error
		if *s.own, err = login(ctx, *s.own, schema(s.name)); err != nil {
			return c, err
		}
	}
	return c, nil
}

// address is where one service's Postgres is.
type address struct{ service, field, url string }

func (c Config) addresses() []address {
	return []address{
		{"identity", "IdentityURL", c.IdentityURL},
		{"catalog", "CatalogURL", c.CatalogURL},
		{"basket", "BasketURL", c.BasketURL},
		{"ordering", "OrderingURL", c.OrderingURL},
		{"payment", "PaymentURL", c.PaymentURL},
	}
}

// resolve is the service's own address, or the common one with the service's role.
func (a address) resolve(common string) (string, error) {
	if a.url != "" {
		return a.url, nil
	}
	if common == "" {
		return "", settings.Wrong(Config{}, a.field, "is empty, and there is no common Postgres for %s", a.service)
	}
	u, err := url.Parse(common)
	if err != nil || u.Scheme == "" {
		return "", settings.Wrong(Config{}, a.field, "is empty, and the common Postgres has no URL that a role can be put into")
	}
	query := u.Query()
	query.Del("user")
	query.Del("password")
	u.RawQuery = query.Encode()
	u.User = withRole(u.User, "shop_"+a.service)
	return u.String(), nil
}

// withRole keeps a password: where the roles have one, it is common to all of them,
// or each service has a URL of its own.
func withRole(before *url.Userinfo, role string) *url.Userinfo {
	if password, ok := before.Password(); ok {
		return url.UserPassword(role, password)
	}
	return url.User(role)
}
