// Package shop is the reference shop's views and facts, one file each: what its
// screens and reports read. It knows the published events and nothing of the
// services behind them.
package shop
