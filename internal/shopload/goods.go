package shopload

import (
	"fmt"
	"math/rand/v2"
)

type money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

type address struct {
	Street     string `json:"street"`
	City       string `json:"city"`
	PostalCode string `json:"postalCode"`
	Country    string `json:"country"`
}

type product struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Brand    string `json:"brand"`
	Category string `json:"category"`
	Price    money  `json:"price"`
	Stock    int    `json:"stock"`
}

type customer struct {
	ID      string  `json:"id"`
	Name    string  `json:"name"`
	Email   string  `json:"email"`
	Address address `json:"address"`
}

type item struct {
	ProductID string `json:"productId"`
	Quantity  int    `json:"quantity"`
}

type payment struct {
	Kind        string `json:"kind"`
	CardExpires string `json:"cardExpires"`
}

// places are few on purpose: reports by country have something to add up.
func places() []address {
	return []address{
		{"Torstraße 1", "Berlin", "10119", "DE"}, {"Marienplatz 8", "München", "80331", "DE"},
		{"Rue de Rivoli 99", "Paris", "75001", "FR"}, {"Via Roma 3", "Torino", "10123", "IT"},
		{"Calle Mayor 21", "Madrid", "28013", "ES"}, {"Damrak 70", "Amsterdam", "1012 LM", "NL"},
		{"Ringstraße 5", "Wien", "1010", "AT"}, {"Nowy Świat 15", "Warszawa", "00-029", "PL"},
	}
}

func words() (first, last, brands, categories, things []string) {
	return []string{"Ada", "Alan", "Barbara", "Donald", "Edsger", "Frances", "Grace", "Hedy", "Ken", "Leslie", "Margaret", "Niklaus"},
		[]string{"Allen", "Dijkstra", "Hamilton", "Hopper", "Knuth", "Lamarr", "Lamport", "Liskov", "Lovelace", "Thompson", "Turing", "Wirth"},
		[]string{"Nordlicht", "Acme", "Papilio", "Contoso", "Fabrikam", "Vega"},
		[]string{"books", "kitchen", "garden", "toys", "music", "sports", "office", "clothing"},
		[]string{"Lamp", "Kettle", "Notebook", "Spade", "Drum", "Ball", "Scarf", "Puzzle", "Mug", "Chair"}
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func personName(r *rand.Rand) string {
	first, last, _, _, _ := words()
	return pick(r, first) + " " + pick(r, last)
}

func productName(r *rand.Rand) string {
	_, _, _, _, things := words()
	return fmt.Sprintf("%s No. %d", pick(r, things), 1+r.IntN(999))
}

func addressOf(r *rand.Rand) address {
	a := pick(r, places())
	a.Street = fmt.Sprintf("%s / %d", a.Street, 1+r.IntN(200))
	return a
}

// The goods are of three sorts by their number: scarce ones are nearly sold out and
// never replenished, so that some orders find too few; ones for the bin may be
// discontinued; all others always have enough.
const (
	scarceEvery = 40
	binEvery    = 20
	minProducts = 2 * scarceEvery
)

func isScarce(n int) bool { return n%scarceEvery == 1 }
func isForBin(n int) bool { return n%binEvery == 2 }

func productID(n int) string  { return fmt.Sprintf("p-%05d", n) }
func customerID(n int) string { return fmt.Sprintf("c-%06d", n) }

func newProduct(r *rand.Rand, n int) product {
	_, _, brands, categories, _ := words()
	p := product{
		ID: productID(n), Name: productName(r), Brand: pick(r, brands), Category: pick(r, categories),
		Price: price(r), Stock: 100_000 + r.IntN(100_000),
	}
	if isScarce(n) {
		p.Stock = 3
	}
	return p
}

func price(r *rand.Rand) money { return money{Amount: 199 + r.Int64N(9_800), Currency: "EUR"} }

func newCustomer(r *rand.Rand, n int) customer {
	return customer{
		ID: customerID(n), Name: personName(r), Email: fmt.Sprintf("buyer%06d@example.com", n), Address: addressOf(r),
	}
}

// way of paying: mostly cards, a few of them expired.
func way(r *rand.Rand) payment {
	switch n := r.IntN(100); {
	case n < 5:
		return payment{Kind: "card", CardExpires: "2024-06"}
	case n < 75:
		return payment{Kind: "card", CardExpires: "2099-12"}
	}
	return payment{Kind: "invoice"}
}
