// Command conference is a program of its own domain: one person is attendee, payer and
// speaker in three contexts, and one view shows all of it. `conference up` runs everything.
package main

import (
	"github.com/readside/readside"
	"github.com/readside/readside/stores/embedded"
)

var app = readside.App{Name: "conference", Set: Views, Stores: embedded.Stores()}

func main() { readside.Main(app) }
