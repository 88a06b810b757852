package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// buyersQuery finds customers who have ordered lately.
const buyersQuery = `{ orders(first: 200, orderBy: SUBMITTED_AT_DESC) { nodes { buyerId } } }`

// homeQuery is the composite screen: data that five services own.
const homeQuery = `query Home($user: ID!) {
  home(userId: $user) {
    account { name email city country orderCount lifetimeValue { amount currency } }
    basket { pieces warnings lines { productName quantity unitPrice { amount currency } warning } }
    latestOrders(first: 5) { nodes { id status submittedAt totalMinor currency lines { productName quantity } } }
    openOrders(first: 3) { nodes { orderId status pieces } }
  }
}`

type money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// home is homeQuery's answer.
type home struct {
	Account *struct {
		Name, Email, City, Country string
		OrderCount                 int64
		LifetimeValue              []money
	}
	Basket *struct {
		Pieces, Warnings int64
		Lines            []struct {
			ProductName string
			Quantity    int64
			UnitPrice   money
			Warning     string
		}
	}
	LatestOrders struct {
		Nodes []struct {
			ID, Status, Currency string
			SubmittedAt          time.Time
			TotalMinor           int64
			Lines                []struct {
				ProductName string
				Quantity    int64
			}
		}
	}
	OpenOrders struct {
		Nodes []struct {
			OrderID, Status string
			Pieces          int64
		}
	}
}

// showHome asks for the home screen of somebody who has ordered, and prints it.
func showHome(ctx context.Context, out io.Writer, url string) error {
	buyer, err := goodCustomer(ctx, url)
	if err != nil {
		return err
	}
	if buyer == "" {
		fmt.Fprintln(out, "\nNobody has ordered yet, so there is no home screen to show.")
		return nil
	}
	var answer struct{ Home home }
	asked := time.Now()
	if err := ask(ctx, url, homeQuery, map[string]any{"user": buyer}, &answer); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nhome(userId: %q): one GraphQL query, one round trip to Postgres, data of five services, %s\n",
		buyer, time.Since(asked).Round(100*time.Microsecond))
	answer.Home.print(out)
	return nil
}

// goodCustomer is who has ordered most often lately, empty where nobody has.
func goodCustomer(ctx context.Context, url string) (buyer string, err error) {
	var found struct {
		Orders struct{ Nodes []struct{ BuyerID string } }
	}
	if err := ask(ctx, url, buyersQuery, nil, &found); err != nil {
		return "", err
	}
	orders := map[string]int{}
	for _, o := range found.Orders.Nodes {
		orders[o.BuyerID]++
		if orders[o.BuyerID] > orders[buyer] {
			buyer = o.BuyerID
		}
	}
	return buyer, nil
}

// print prints at most a screen.
func (h *home) print(out io.Writer) {
	if a := h.Account; a != nil {
		fmt.Fprintf(out, "  %s <%s>, %s %s: %d orders worth %s\n", a.Name, a.Email, a.City, a.Country, a.OrderCount, amounts(a.LifetimeValue))
	}
	if b := h.Basket; b != nil {
		fmt.Fprintf(out, "  Basket: %d pieces, %d price warnings\n", b.Pieces, b.Warnings)
		for _, l := range b.Lines {
			fmt.Fprintf(out, "    %d × %s at %s  %s\n", l.Quantity, l.ProductName, l.UnitPrice, l.Warning)
		}
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, o := range h.LatestOrders.Nodes {
		var lines []string
		for _, l := range o.Lines {
			lines = append(lines, fmt.Sprintf("%d × %s", l.Quantity, l.ProductName))
		}
		fmt.Fprintf(t, "  Order %s\t%s\t%s\t%s\n", o.ID, o.Status, money{o.TotalMinor, o.Currency}, clip(strings.Join(lines, ", "), 40))
	}
	_ = t.Flush() // its errors are those of out, which says so by itself
	for _, o := range h.OpenOrders.Nodes {
		fmt.Fprintf(out, "  On its way: %s, %d pieces, %s\n", o.OrderID, o.Pieces, o.Status)
	}
}

func (m money) String() string {
	return fmt.Sprintf("%s.%02d %s", thousands(m.Amount/100), m.Amount%100, m.Currency)
}

func amounts(all []money) string {
	var texts []string
	for _, m := range all {
		texts = append(texts, m.String())
	}
	if len(texts) == 0 {
		return "nothing yet"
	}
	return strings.Join(texts, " + ")
}

func clip(text string, runesMax int) string {
	if runes := []rune(text); len(runes) > runesMax {
		return string(runes[:runesMax-1]) + "…"
	}
	return text
}
