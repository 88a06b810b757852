package projections

import (
	"errors"
	"fmt"
)

// Go's integers wrap: the largest int64 and one more is the smallest, and a sum of money
// would show a debt. Handlers add, subtract and multiply with these functions instead, and
// return their error: the event that made the sum too large is parked, as every event is
// that cannot be folded, and the row keeps what it had. A join's fill, which returns no
// error, panics with it.

// ErrOverflow is returned where a sum or a product does not fit into its type.
var ErrOverflow = errors.New("the result does not fit into the number")

// Integer is a signed integer, such as money in minor units.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64
}

// Add returns a + b, or an error that wraps ErrOverflow.
func Add[T Integer](a, b T) (T, error) {
	sum := a + b
	if b > 0 && sum < a || b < 0 && sum > a {
		return 0, fmt.Errorf("%d + %d as %T: %w", a, b, a, ErrOverflow)
	}
	return sum, nil
}

// Sub returns a - b, or an error that wraps ErrOverflow.
func Sub[T Integer](a, b T) (T, error) {
	difference := a - b
	if b > 0 && difference > a || b < 0 && difference < a {
		return 0, fmt.Errorf("%d - %d as %T: %w", a, b, a, ErrOverflow)
	}
	return difference, nil
}

// Mul returns a * b, or an error that wraps ErrOverflow.
func Mul[T Integer](a, b T) (T, error) {
	product := a * b
	if a != 0 && (product/a != b || (product < 0) != ((a < 0) != (b < 0)) && b != 0) {
		return 0, fmt.Errorf("%d * %d as %T: %w", a, b, a, ErrOverflow)
	}
	return product, nil
}

// AddTo adds b to the sum, as in
//
//	return projections.AddTo(&account.Paid, e.Cents)
//
// With an error, which wraps ErrOverflow, the sum stays as it was.
func AddTo[T Integer](sum *T, b T) error {
	total, err := Add(*sum, b)
	if err == nil {
		*sum = total
	}
	return err
}

// TakeFrom subtracts b from the sum. With an error, which wraps ErrOverflow, the sum stays
// as it was.
func TakeFrom[T Integer](sum *T, b T) error {
	rest, err := Sub(*sum, b)
	if err == nil {
		*sum = rest
	}
	return err
}
