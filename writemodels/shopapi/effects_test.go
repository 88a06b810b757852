package shopapi_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/writemodels/contract"
	"github.com/readside/readside/writemodels/shopapi"
)

// state is everything that reactions brought about: the log, and what services hold.
type state struct {
	Events, Takings, Orders, Payments, Products string
}

func (s *shop) state(t *testing.T) (v state) {
	t.Helper()
	err := s.db.Pool.QueryRow(t.Context(), `select
		(select string_agg(concat_ws(' ', stream, version, type), E'\n' order by stream, version) from eventlog.events),
		(select string_agg(t::text, E'\n' order by order_id) from shop_catalog.takings t),
		(select string_agg(o::text, E'\n' order by id) from shop_ordering.orders o),
		(select string_agg(p::text, E'\n' order by order_id) from shop_payment.payments p),
		(select string_agg(concat_ws(' ', c.id, c.stock, b.price_amount, b.discontinued), E'\n' order by c.id)
			from shop_catalog.products c join shop_basket.products b using (id))`).
		Scan(&v.Events, &v.Takings, &v.Orders, &v.Payments, &v.Products)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func reactingSchemas() []string {
	return []string{"shop_catalog", "shop_basket", "shop_ordering", "shop_payment"}
}

// caughtUp waits until every service has handled all there is to handle.
func (s *shop) caughtUp(t *testing.T) {
	t.Helper()
	s.eventually(t, "every reaction has come to the log's end", func() bool {
		head := one[int64](t, s, `select coalesce(max(position), 0) from eventlog.events`)
		for _, at := range s.Reacted() {
			if at.Place() < head {
				return false
			}
		}
		return true
	})
}

// story makes every kind of reaction happen: confirmed and rejected stock, a payment
// and a refused card, released pieces, renamed, repriced and discontinued products.
func (s *shop) story(t *testing.T) {
	t.Helper()
	s.stock(t, "p1", 100, 10)
	s.stock(t, "p2", 100, 1)
	s.await(t, "ordering.OrderPaid", "order-"+s.order(t, "ada", invoice, "p1", 2))
	s.await(t, "ordering.OrderStockRejected", "order-"+s.order(t, "bob", invoice, "p2", 2))
	refused := s.order(t, "eve", card("2020-01"), "p1", 1)
	s.await(t, "catalog.StockReleased", "stock-"+refused)
	s.must(t, "PUT", "/catalog/products/p1/price", object{"price": euros(120)})
	s.must(t, "PUT", "/catalog/products/p1/name", object{"name": "New"})
	s.must(t, "DELETE", "/catalog/products/p2", nil)
	s.caughtUp(t)
}

// Everything is delivered again: first with the inbox, which knows it; then without,
// when the aggregates themselves find their decisions made.
func TestEverythingDeliveredAgainHasNoSecondEffect(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	s := open(t, db, nil)
	s.story(t)
	s.stop()
	before := s.state(t)
	for _, forget := range []string{"", "inbox"} {
		for _, schema := range reactingSchemas() {
			if forget != "" {
				exec(t, db.Pool, `delete from `+schema+`.`+forget)
			}
			exec(t, db.Pool, `update `+schema+`.reaction_checkpoints set place = 0`)
		}
		again := open(t, db, nil)
		again.caughtUp(t)
		again.stop()
		if diff := cmp.Diff(before, again.state(t)); diff != "" {
			t.Errorf("after a second delivery (forgotten: %q): %s", forget, diff)
		}
		again.noDeadLetters(t)
	}
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// gate stops transactions that insert into a table, after their effects and before
// their commit, until it is opened.
type gate struct {
	s    *shop
	conn *pgxpool.Conn
}

// shut makes a gate at a table.
func (s *shop) shut(t *testing.T, table string) *gate {
	t.Helper()
	exec(t, s.db.Pool, `create function public.gate() returns trigger language plpgsql as
		$$ begin perform pg_advisory_xact_lock_shared(42); return null; end $$`)
	exec(t, s.db.Pool, `create trigger gate after insert on `+table+` for each row execute function public.gate()`)
	conn, err := s.db.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `select pg_advisory_lock(42)`); err != nil {
		t.Fatal(err)
	}
	g := &gate{s: s, conn: conn}
	t.Cleanup(func() { g.open(t) })
	return g
}

// waiting is the process that stands before the gate; it waits for one that is not not.
func (g *gate) waiting(t *testing.T, not int) (pid int) {
	t.Helper()
	g.s.eventually(t, "a transaction stands before the gate", func() bool {
		pid = one[int](t, g.s, `select coalesce((select pid from pg_locks where locktype = 'advisory' and not granted
			and database = (select oid from pg_database where datname = current_database()) limit 1), 0)`)
		return pid != 0 && pid != not
	})
	return pid
}

func (g *gate) open(t *testing.T) {
	t.Helper()
	if g.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), testWait)
	defer cancel()
	if _, err := g.conn.Exec(ctx, `select pg_advisory_unlock(42)`); err != nil {
		t.Error(err)
	}
	g.conn.Release()
	g.conn = nil
}

// Each service's reaction is killed after its effect and before its commit, twice; it
// then has its effect once.
func TestReactionsKilledBeforeTheirCommit(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"shop_catalog.takings", "shop_basket.products", "shop_ordering.orders", "shop_payment.payments"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			s := open(t, dbtest.Postgres(t), nil)
			if table != "shop_basket.products" {
				s.stock(t, "p1", 100, 10)
			}
			g := s.shut(t, table)
			told := make(chan struct{})
			go func() { // the killing goes on while the story waits for its effects
				defer close(told)
				first := g.waiting(t, 0)
				exec(t, s.db.Pool, `select pg_terminate_backend($1)`, first)
				second := g.waiting(t, first)
				exec(t, s.db.Pool, `select pg_terminate_backend($1)`, second)
				g.waiting(t, second)
				g.open(t)
			}()
			if table == "shop_basket.products" {
				s.stock(t, "p1", 100, 10)
			}
			id := s.order(t, "ada", invoice, "p1", 2)
			s.await(t, "ordering.OrderPaid", "order-"+id)
			<-told
			s.caughtUp(t)
			if diff := cmp.Diff([]string{"ordering.OrderSubmitted", "ordering.OrderAwaitingValidation",
				"ordering.OrderStockConfirmed", "ordering.OrderPaid"}, s.typesOf(t, "order-"+id)); diff != "" {
				t.Error(diff)
			}
			if n := s.pieces(t, "p1"); n != 8 {
				t.Errorf("%d pieces are left, want 8", n)
			}
			s.noDeadLetters(t)
		})
	}
}

// The buyer cancels while the catalog confirms: ordering keeps to the cancellation, the
// pieces go back.
func TestCancelledWhileTheStockIsConfirmed(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), nil)
	s.stock(t, "p1", 100, 10)
	g := s.shut(t, "shop_catalog.takings")
	id := s.order(t, "ada", invoice, "p1", 2)
	g.waiting(t, 0)
	s.must(t, "POST", "/ordering/orders/"+id+"/cancel", object{"reason": "changed my mind"})
	g.open(t)
	s.await(t, "catalog.StockReleased", "stock-"+id)
	s.caughtUp(t)
	if got := s.status(t, id); got != "cancelled" {
		t.Errorf("the order is %s", got)
	}
	if n := s.pieces(t, "p1"); n != 10 {
		t.Errorf("%d pieces are left, want all 10", n)
	}
	if types := s.typesOf(t, "payment-"+id); len(types) > 0 {
		t.Errorf("payment did %v for a cancelled order", types)
	}
}

// The buyer cancels while the money is taken: the order stays cancelled, and the money
// goes back.
func TestCancelledWhileTheMoneyIsTaken(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), nil)
	s.stock(t, "p1", 100, 10)
	g := s.shut(t, "shop_payment.payments")
	id := s.order(t, "ada", invoice, "p1", 2)
	g.waiting(t, 0)
	s.must(t, "POST", "/ordering/orders/"+id+"/cancel", object{"reason": "changed my mind"})
	g.open(t)
	failed := decode[contract.PaymentFailed](t, s.await(t, "payment.Failed", "payment-"+id))
	s.await(t, "catalog.StockReleased", "stock-"+id)
	s.caughtUp(t)
	if diff := cmp.Diff([]string{"payment.Succeeded", "payment.Failed"}, s.typesOf(t, "payment-"+id)); diff != "" {
		t.Error(diff)
	}
	if failed.Reason != "refunded: the order was cancelled meanwhile" || failed.Amount != euros(200) {
		t.Errorf("the money went back as %+v", failed)
	}
	if got := s.status(t, id); got != "cancelled" {
		t.Errorf("the order is %s", got)
	}
}

// Two processes of the same shop: each order's grace period ends once, each reaction
// has one effect.
func TestTwoShopsOnOneDatabase(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	short := func(c *shopapi.Config) { c.Grace = 20 * time.Millisecond }
	a, b := open(t, db, short), open(t, db, short)
	a.stock(t, "p1", 100, 1000)
	var ids []string
	for i := range 20 {
		s := []*shop{a, b}[i%2]
		ids = append(ids, s.order(t, "ada", invoice, "p1", 1))
	}
	for _, id := range ids {
		a.await(t, "ordering.OrderPaid", "order-"+id)
		if types := a.typesOf(t, "order-"+id); len(types) != 4 {
			t.Errorf("order %s: %v", id, types)
		}
	}
	if n := a.pieces(t, "p1"); n != 1000-20 {
		t.Errorf("%d pieces are left, want 980", n)
	}
	a.noDeadLetters(t)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), nil)
	response, err := s.Client().Get(s.URL + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
}
