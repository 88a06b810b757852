package contract

import (
	"errors"
	"fmt"
)

// Money is an amount in minor units (cents) of one ISO 4217 currency. Amounts of
// different currencies are never added. Go's integers wrap, so that a sum beyond the
// largest amount would be a debt: Times and Plus return an error instead.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// ErrAmount is wrapped by the errors of Times and Plus.
var ErrAmount = errors.New("the amount does not fit into 64 bits, or the currencies differ")

// Times returns the amount n times over.
func (m Money) Times(n int) (Money, error) {
	product := m.Amount * int64(n)
	if m.Amount != 0 && (product/m.Amount != int64(n) || n != 0 && (product < 0) != ((m.Amount < 0) != (n < 0))) {
		return Money{}, fmt.Errorf("%d times %d %s: %w", n, m.Amount, m.Currency, ErrAmount)
	}
	return Money{product, m.Currency}, nil
}

// Plus returns the sum of two amounts of one currency. The zero Money has none yet.
func (m Money) Plus(other Money) (Money, error) {
	if m == (Money{}) {
		return other, nil
	}
	sum := m.Amount + other.Amount
	if m.Currency != other.Currency || other.Amount > 0 && sum < m.Amount || other.Amount < 0 && sum > m.Amount {
		return Money{}, fmt.Errorf("%d %s plus %d %s: %w", m.Amount, m.Currency, other.Amount, other.Currency, ErrAmount)
	}
	return Money{sum, m.Currency}, nil
}
