package clickhousehttp

import (
	"strconv"
	"strings"
	"time"
)

// readersSettings are those that a reader may choose, beside the bounded ones: they say
// how an answer is written, or how values compare. No other reaches the engine, so that a
// setting that a newer engine has is refused until it stands here.
var readersSettings = map[string]bool{
	"aggregate_functions_null_for_empty":        true,
	"cast_keep_nullable":                        true,
	"date_time_input_format":                    true,
	"date_time_output_format":                   true,
	"empty_result_for_aggregation_by_empty_set": true,
	"enable_shared_storage_snapshot_in_query":   true,
	"extremes":                       true,
	"final":                          true,
	"format_csv_delimiter":           true,
	"format_csv_null_representation": true,
	"format_tsv_null_representation": true,
	"group_by_use_nulls":             true,
	"join_use_nulls":                 true,
	"prefer_column_name_to_alias":    true,
	"session_timezone":               true,
	"totals_mode":                    true,
	"transform_null_in":              true,
	"union_default_mode":             true,
	"use_client_time_zone":           true,
	"bool_true_representation":       true,
	"bool_false_representation":      true,
}

// readersPrefixes begin the names of settings of output formats.
var readersPrefixes = []string{"output_format_csv_", "output_format_json_", "output_format_pretty_", "output_format_tsv_",
	"output_format_native_", "output_format_decimal_", "output_format_values_", "output_format_markdown_", "output_format_write_"}

// limitSettings are the engine's settings that carry limits.
func (l *Limits) limitSettings() map[string]uint64 {
	return map[string]uint64{
		"max_execution_time": uint64(l.TimeMax / time.Second),
		"max_memory_usage":   l.MemoryBytesMax,
		"max_result_rows":    l.RowsMax,
		"max_result_bytes":   l.BytesMax,
		"max_threads":        l.ThreadsMax,
	}
}

// fixedSettings are what a reader's session has beside its limits: an answer over a bound
// is an error, never cut, and nothing is kept on the disk meanwhile.
var fixedSettings = map[string]string{
	"result_overflow_mode":                      "throw",
	"timeout_overflow_mode":                     "throw",
	"max_bytes_before_external_group_by":        "0",
	"max_bytes_ratio_before_external_group_by":  "0",
	"max_bytes_before_external_sort":            "0",
	"max_bytes_ratio_before_external_sort":      "0",
	"max_temporary_data_on_disk_size_for_query": "1",
	"allow_ddl":                     "0",
	"allow_introspection_functions": "0",
	"use_query_cache":               "0",
	"max_block_size":                "65409",
	"max_query_size":                "262144",
}

// boundSettings replaces the settings that a reader asks for by those that hold. A reader
// may lower a limit. The time alone is lowered for it where it is more, since drivers
// derive it from their own patience.
func (q *request) boundSettings() error {
	limits := q.user.Limits.limitSettings()
	for name, value := range q.settings {
		most, bounded := limits[name]
		switch {
		case bounded:
			lower, err := withinBound(name, value, most)
			if err != nil {
				return err
			}
			limits[name] = lower
		case !readersMay(name):
			return exception(164, "READONLY", "Cannot modify '%s' setting in readonly mode.", name)
		}
	}
	for name, value := range limits {
		q.settings[name] = strconv.FormatUint(value, 10)
	}
	for name, value := range fixedSettings {
		q.settings[name] = value
	}
	return nil
}

func readersMay(name string) bool {
	if readersSettings[name] {
		return true
	}
	for _, prefix := range readersPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// withinBound reads a limit that a reader chose; 0 would be none, and most is 0 where the
// user has none.
func withinBound(name, value string, most uint64) (uint64, error) {
	wanted, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return 0, exception(72, "CANNOT_PARSE_NUMBER", "Setting %s must be a whole number.", name)
	}
	over := most > 0 && (wanted == 0 || wanted > most)
	if over && name == "max_execution_time" {
		return most, nil
	}
	if over {
		return 0, exception(452, "SETTING_CONSTRAINT_VIOLATION", "Setting %s shouldn't be greater than %d, and 0 would be no limit.", name, most)
	}
	return wanted, nil
}
