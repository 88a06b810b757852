package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/cenkalti/backoff/v5"

	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/queryapi"
)

// How long it is waited between two checks of reports that were not found good.
const (
	reportRetryFirst = time.Second
	reportRetryMost  = time.Minute
)

// checkReports lets ClickHouse say which reports cannot work, and logs each fault once,
// until all were found good or ctx ends: a report that is asked for once a month is not to
// be found broken then. Reports whose tables nobody has made yet, or whose ClickHouse is
// away, are waited for.
func checkReports(ctx context.Context, cold *queryapi.Cold, reports []queryapi.Report, logger *slog.Logger) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = reportRetryFirst, reportRetryMost
	said := map[string]string{}
	for {
		good := true
		for i := range reports {
			err := cold.CheckReport(ctx, &reports[i])
			if ctx.Err() != nil {
				return
			}
			good = good && err == nil
			if text := reportFault(err); text != said[reports[i].Name] {
				said[reports[i].Name] = text
				logReport(ctx, logger, reports[i].Name, err)
			}
		}
		if good {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait.NextBackOff()):
		}
	}
}

// ClickHouse's codes for what is not there yet.
const (
	codeUnknownTable      = 60
	codeUnknownClickHouse = 81 // a database
)

// logReport says what is wrong with a report, and that it is good again.
func logReport(ctx context.Context, logger *slog.Logger, name string, err error) {
	var exception *clickhouse.Exception
	switch {
	case err == nil:
		logger.InfoContext(ctx, "a report that could not be answered can be now", "report", name)
	case isReportAway(err):
		logger.WarnContext(ctx, "a report waits for ClickHouse", "report", name, "error", err)
	case errors.As(err, &exception) && (exception.Code == codeUnknownTable || exception.Code == codeUnknownClickHouse):
		logger.WarnContext(ctx, "a report waits for tables that nobody has made yet", "report", name, "error", err)
	default:
		logger.ErrorContext(ctx, "a report CANNOT WORK as it is", "report", name, "error", err)
	}
}

// isReportAway reports whether ClickHouse could not be asked.
func isReportAway(err error) bool {
	var fault *queryapi.ReportError
	return errors.As(err, &fault) && fault.Cause == control.ClickHouseUnreachable
}

// reportFault is what stays the same while a fault does; ports and times in texts do not.
func reportFault(err error) string {
	switch {
	case err == nil:
		return ""
	case isReportAway(err):
		return "away"
	}
	return err.Error()
}
