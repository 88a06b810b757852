package main

import (
	"strings"
	"testing"

	"github.com/readside/readside"
)

// noStores makes sure that no store is named, whatever the environment of the tests says.
func noStores(t *testing.T) {
	for _, name := range []string{"READSIDE_POSTGRES_URL", "READSIDE_PROJECTOR_URL", "READSIDE_QUERY_URL", "READSIDE_IMPORTER_URL", "READSIDE_CLICKHOUSE_URL", "READSIDE_MART_URL", "READSIDE_CLICKHOUSE_MART_URL"} {
		t.Setenv(name, "")
	}
}

func TestWrongCommandLinesEndWithTwoAndSayWhereHelpIs(t *testing.T) {
	noStores(t)
	for _, args := range []string{
		"nonsense", "--nonsense", "migrate", "migrate sideways", "migrate up now", "rebuild", "rebuild a b", "verify a b",
		"status --xml", "events", "events export a b", "schema", "schema xml", "demo --for nonsense", "demo --for -1s", "demo --summary xml",
	} {
		o := run(t, strings.Fields(args)...)
		if o.code != readside.ExitUsage || o.out != "" {
			t.Errorf("readside %s: exit code %d, standard output %q", args, o.code, o.out)
		}
		contains(t, o.err, "readside", "--help")
	}
}

// What is missing is named as the help names it.
func TestAMissingArgumentIsNamed(t *testing.T) {
	noStores(t)
	for args, want := range map[string]string{
		"rebuild":           "readside rebuild: say which VIEW\n",
		"rebuild a b":       `readside rebuild: "b" is too much: it takes VIEW`,
		"explain":           "say which VIEW and which KEY\n",
		"explain order":     "say which KEY\n",
		"parked show order": "say which PLACE\n",
		"parked show a 1 2": `"2" is too much: it takes VIEW and PLACE`,
	} {
		contains(t, must(t, readside.ExitUsage, strings.Fields(args)...).err, want)
	}
}

func TestWithoutStoresCommandsSayWhichVariableToSet(t *testing.T) {
	noStores(t)
	for _, args := range []string{
		"migrate up", "migrate down", "migrate status", "shop", "project", "serve", "status", "rebuild order", "rebuild order --dry-run",
		"verify", "events export", "events import", "events tail",
	} {
		o := run(t, strings.Fields(args)...)
		if o.code != readside.ExitNo {
			t.Errorf("readside %s: exit code %d, want %d", args, o.code, readside.ExitNo)
		}
		contains(t, o.err, "READSIDE_POSTGRES_URL is not set", "READSIDE_POSTGRES_URL=postgres://", "readside up")
	}
	t.Setenv("READSIDE_POSTGRES_URL", "postgres://nobody@127.0.0.1:1/nothing")
	for _, args := range []string{"project", "serve"} {
		contains(t, must(t, readside.ExitNo, args).err, "READSIDE_CLICKHOUSE_URL is not set", "READSIDE_CLICKHOUSE_URL=http://")
	}
}

func TestAFaultyEnvironmentIsNamed(t *testing.T) {
	noStores(t)
	t.Setenv("READSIDE_POSTGRES_URL", "nonsense")
	contains(t, must(t, readside.ExitNo, "status").err, "READSIDE_POSTGRES_URL: this is no address like postgres://")
	t.Setenv("READSIDE_SHOP_GRACE", "soon")
	contains(t, must(t, readside.ExitNo, "shop").err, "READSIDE_SHOP_GRACE", "readside help config")
}

func TestHelpConfigListsEveryVariable(t *testing.T) {
	o := must(t, readside.ExitOK, "help", "config")
	contains(t, o.out, "READSIDE_POSTGRES_URL", "READSIDE_CLICKHOUSE_URL", "READSIDE_SHOP_ADDR", "127.0.0.1:8081",
		"READSIDE_HTTP_ADDR", "127.0.0.1:8080", "READSIDE_SHOP_GRACE", "READSIDE_REPORT_TZ", "READSIDE_CHDB_LIB")
	for line := range strings.Lines(o.out) {
		if fields := strings.Fields(line); len(fields) < 3 {
			t.Errorf("a variable without a default or a meaning: %q", line)
		}
	}
}

func TestHelpNamesTheCommands(t *testing.T) {
	contains(t, must(t, readside.ExitOK).out, "demo", "setup", "migrate", "shop", "project", "serve", "status", "rebuild", "verify", "events", "schema", "config")
}

func TestSchemas(t *testing.T) {
	contains(t, must(t, readside.ExitOK, "schema", "graphql").out, "type Query {", "home(", "salesByMonth(", "scalar Long")
	contains(t, must(t, readside.ExitOK, "schema", "sql").out, `create table "views"."order_v1_g1"`, "CREATE TABLE `readside`.`order_lines_v1_g1`", "VIEW `mart`.`order_lines`")
}
