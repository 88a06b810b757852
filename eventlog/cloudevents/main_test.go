package cloudevents_test

import (
	"testing"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/logtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

type noted = logtest.Noted

var (
	bounded   = logtest.Bounded
	newEvents = logtest.Events
	open      = logtest.Open
	tryAppend = logtest.Append
)
