package command

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/readside/readside/writemodels/contract"
)

// Fault is one field of a command that cannot stand.
type Fault struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Limits of the fields that the shop's commands have in common.
const (
	faultsMax      = 100
	idLengthMax    = 64
	amountMax      = 100_000_000_00
	nameLengthMax  = 200
	quantityMax    = 10_000
	streetLenMax   = 200
	cityLenMax     = 100
	postalLenMax   = 20
	countryLength  = 2
	currencyLength = 3
)

// NameLengthMax is the length of the longest name, in bytes.
const NameLengthMax = nameLengthMax

var (
	idShape       = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]*$`)
	countryShape  = regexp.MustCompile(`^[A-Z]{2}$`)
	currencyShape = regexp.MustCompile(`^[A-Z]{3}$`)
	monthShape    = regexp.MustCompile(`^[0-9]{4}-(0[1-9]|1[0-2])$`)
)

// Faults collects what is wrong with a command, all of it, up to a bound.
type Faults struct{ list []Fault }

// Add notes a fault of a field.
func (f *Faults) Add(field, format string, args ...any) {
	if len(f.list) < faultsMax {
		f.list = append(f.list, Fault{Field: field, Detail: fmt.Sprintf(format, args...)})
	}
}

// Text wants a non-blank printable text of at most lengthMax bytes.
func (f *Faults) Text(field, value string, lengthMax int) {
	switch {
	case strings.TrimSpace(value) == "":
		f.Add(field, "is missing or blank")
	case len(value) > lengthMax:
		f.Add(field, "has %d bytes; at most %d are allowed", len(value), lengthMax)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, isControl):
		f.Add(field, "contains control characters or invalid UTF-8")
	}
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f || r == utf8.RuneError }

// ID wants an identifier: letters, digits and . _ ~ - after a letter or digit.
func (f *Faults) ID(field, value string) {
	if len(value) > idLengthMax || !idShape.MatchString(value) {
		f.Add(field, "must be 1 to %d letters, digits, '.', '_', '~' or '-', and begin with a letter or digit", idLengthMax)
	}
}

// Quantity wants a number of pieces.
func (f *Faults) Quantity(field string, n int) {
	if n < 1 || n > quantityMax {
		f.Add(field, "is %d; it must be from 1 to %d", n, quantityMax)
	}
}

// Money wants a positive amount in minor units and an ISO 4217 currency.
func (f *Faults) Money(field string, m contract.Money) {
	if m.Amount < 1 || m.Amount > amountMax {
		f.Add(field+".amount", "is %d minor units; it must be from 1 to %d", m.Amount, int64(amountMax))
	}
	if !currencyShape.MatchString(m.Currency) {
		f.Add(field+".currency", "must be an ISO 4217 code of %d capital letters, as EUR", currencyLength)
	}
}

// Address wants a complete address.
func (f *Faults) Address(field string, a contract.Address) {
	f.Text(field+".street", a.Street, streetLenMax)
	f.Text(field+".city", a.City, cityLenMax)
	f.Text(field+".postalCode", a.PostalCode, postalLenMax)
	if !countryShape.MatchString(a.Country) {
		f.Add(field+".country", "must be an ISO 3166-1 code of %d capital letters, as DE", countryLength)
	}
}

// Payment wants a way of paying: an invoice, or a card with its last good month.
func (f *Faults) Payment(field string, p contract.PaymentMethod) {
	switch p.Kind {
	case "invoice":
		if p.CardExpires != "" {
			f.Add(field+".cardExpires", "must be empty for an invoice")
		}
	case "card":
		if !monthShape.MatchString(p.CardExpires) {
			f.Add(field+".cardExpires", "must be the card's last good month, as 2027-04")
		}
	default:
		f.Add(field+".kind", "is %.20q; it must be card or invoice", p.Kind)
	}
}

// Refusal is nil when nothing was at fault.
func (f *Faults) Refusal() error {
	if len(f.list) == 0 {
		return nil
	}
	return invalid(f.list)
}
