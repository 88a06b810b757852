package postgres

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/readside/readside/internal/embedded/keeper"
)

// settingsOf are the lines added to a new cluster's postgresql.conf.
func settingsOf(options Options) map[string]string {
	settings := map[string]string{
		"listen_addresses":          keeper.Loopback,
		"unix_socket_directories":   "",
		"max_connections":           "200",
		"max_prepared_transactions": "20",
		"timezone":                  "UTC",
		"log_timezone":              "UTC",
		// In the data directory, so that a killed cluster leaves nothing in /dev/shm.
		"dynamic_shared_memory_type": "mmap",
		// Views' tables are to be vacuumed when a twentieth is dead; by default a worker looks
		// once a minute, in which a busy view writes itself several times over.
		"autovacuum_naptime": "10s",
	}
	if !options.Durable {
		maps.Copy(settings, map[string]string{
			"fsync":              "off",
			"synchronous_commit": "off",
			"full_page_writes":   "off",
		})
	}
	maps.Copy(settings, options.Settings)
	return settings
}

// locale is that of clusters and their servers: texts are ordered by their bytes.
func locale() string {
	if runtime.GOOS == "darwin" {
		return "C" // there is no C.UTF-8
	}
	return "C.UTF-8"
}

// environment is ours without addresses of stores and without what would
// configure the server: a superuser's SQL may read it.
func environment() []string {
	ours := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "READSIDE_") || strings.HasPrefix(variable, "PG")
	})
	return append(ours, "LC_ALL="+locale())
}

func appendSettings(file string, settings map[string]string) error {
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		value := strings.ReplaceAll(settings[name], "'", "''")
		fmt.Fprintf(&lines, "%s = '%s'\n", name, value)
	}
	out, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = out.WriteString(lines.String())
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return err
}
