package dbtest

import (
	"maps"
	"os"

	"github.com/readside/readside/internal/embedded"
)

// localeVariable lets every test run on foreign ground: its value is the ICU locale,
// such as de-DE, that orders the texts of embedded clusters, and their sessions begin
// with a time zone, a DateStyle and formats that no code of ours may depend on.
const localeVariable = "READSIDE_TEST_LOCALE"

// foreignSettings are what sessions inherit there.
var foreignSettings = map[string]string{
	"timezone":           "Asia/Kathmandu", // +05:45
	"datestyle":          "SQL, DMY",
	"intervalstyle":      "sql_standard",
	"bytea_output":       "escape",
	"extra_float_digits": "0",
}

// onGround adds to a test's options what the environment asks for. What a test itself
// sets stays.
func onGround(options embedded.PostgresOptions) embedded.PostgresOptions {
	locale := os.Getenv(localeVariable)
	if locale == "" || options.ICULocale != "" {
		return options
	}
	options.ICULocale = locale
	settings := maps.Clone(foreignSettings)
	maps.Copy(settings, options.Settings)
	options.Settings = settings
	return options
}
