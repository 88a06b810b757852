package service

import (
	"testing"

	"github.com/readside/readside/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }
