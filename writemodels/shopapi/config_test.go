package shopapi_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/kelseyhightower/envconfig"

	"github.com/readside/readside/writemodels/shopapi"
)

func TestConfigReportsEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	_, err := shopapi.New(t.Context(), shopapi.Config{
		BasketURL: "postgres://x", Grace: -time.Second, KeyAge: time.Second,
	}, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, want := range []string{"IdentityURL", "CatalogURL", "OrderingURL", "PaymentURL", "Grace", "CardLimit", "KeyAge", "ConnsMax"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "BasketURL") {
		t.Errorf("the basket's address is fine: %v", err)
	}
}

// A wrong setting is told at once, also while Postgres is away and would be waited for.
func TestWrongLimitsAreToldBeforeAnyLogin(t *testing.T) {
	t.Parallel()
	_, err := shopapi.Open(t.Context(), shopapi.Config{Grace: -time.Second, CardLimit: 1, KeyAge: time.Hour, ConnsMax: 4}, func(_ context.Context, _, role string) (string, error) {
		t.Errorf("%s logs in", role)
		return "", errors.New("Postgres is away")
	}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "Grace is -1s") {
		t.Errorf("it says %v", err)
	}
}

func TestDefaultsAreValid(t *testing.T) {
	t.Setenv("READSIDE_POSTGRES_URL", "postgres://owner:secret@127.0.0.1:5432/shop")
	var c shopapi.Config
	if err := envconfig.Process("readside", &c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if c.Grace != 2*time.Second {
		t.Errorf("the grace period is %s", c.Grace)
	}
}

// Without a Postgres the shop says which service could not connect, and as whom.
func TestNoPostgres(t *testing.T) {
	t.Parallel()
	c := shopapi.Config{PostgresURL: "postgres://owner@127.0.0.1:1/shop?sslmode=disable&connect_timeout=2", CardLimit: 1, KeyAge: time.Hour, ConnsMax: 4}
	_, err := shopapi.New(t.Context(), c, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "shop_identity") {
		t.Errorf("%v does not name the role", err)
	}
}
