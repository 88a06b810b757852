package service

import "fmt"

// Count is a number of things in words, of one thing too.
func Count[N int | int64 | uint64](n N, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
