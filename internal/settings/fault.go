// Package settings has the faults of settings. A library that checks its configuration
// names the field; the program that read it from the environment names the variable.
package settings

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Fault is a field of a configuration that cannot be as it is.
type Fault struct {
	// Field is its name in Go, Variable the one that envconfig reads, without the prefix of
	// the program.
	Field, Variable string
	// Problem is what is wrong and what would be right, without a subject.
	Problem string
}

func (f *Fault) Error() string { return f.Field + " " + f.Problem }

// Wrong is a Fault of a field of config, a struct with tags for envconfig. The format says
// what is wrong and what would be right, as "is 0: use 1 to 100".
func Wrong(config any, field, format string, args ...any) error {
	f := &Fault{Field: field, Variable: field, Problem: fmt.Sprintf(format, args...)}
	if declared, ok := reflect.Indirect(reflect.ValueOf(config)).Type().FieldByName(field); ok {
		f.Variable = declared.Tag.Get("envconfig")
	}
	return f
}

// Text is an error's text with the variables in the place of the fields; prefix is that of
// the program, such as READSIDE_.
func Text(err error, prefix string) string {
	text := err.Error()
	for _, f := range faults(err) {
		text = strings.Replace(text, f.Error(), prefix+f.Variable+" "+f.Problem, 1)
	}
	return text
}

// faults are those in an error's tree.
func faults(err error) []*Fault {
	if f := (*Fault)(nil); errors.As(err, &f) && error(f) == err {
		return []*Fault{f}
	}
	switch err := err.(type) {
	case interface{ Unwrap() []error }:
		var all []*Fault
		for _, one := range err.Unwrap() {
			all = append(all, faults(one)...)
		}
		return all
	case interface{ Unwrap() error }:
		if inner := err.Unwrap(); inner != nil {
			return faults(inner)
		}
	}
	return nil
}
